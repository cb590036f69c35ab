"""What a command promises. It is started in a process of its own, as a user does."""

import json
import subprocess
import sys

from imtrans.testing.case import Case
from imtrans.testing.command import Command

# The last line is what was found; what the command itself prints comes before it.
ASKED = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import typer.main
from importlib.metadata import EntryPoint
from imtrans.cli.groups import Pointing
from imtrans.cli.main import app as ours
name, value = sys.argv[2:]
app = EntryPoint(name, value, "imtrans.commands").load()
taken = name in Pointing.list_commands(typer.main.get_command(ours), None)
kind = type(app).__name__ if not isinstance(app, typer.Typer) else ""
if not kind:
    typer.main.get_command(app).main(["--help"], prog_name="imtrans " + name, standalone_mode=False)
sys.stdout.write("\\n" + json.dumps({"kind": kind, "taken": taken, "torch": "torch" in sys.modules}))
"""


def answers_help_at_once(case: Case) -> None:
    command = case.component
    assert isinstance(command, Command)
    words = [json.dumps(sys.path), command.name, command.point.value]
    asked = subprocess.run(
        [sys.executable, "-c", ASKED, *words], capture_output=True, text=True, timeout=120
    )
    if asked.returncode:
        last = (asked.stderr.strip() or "it says nothing").splitlines()[-1]
        raise case.broken(
            f"`imtrans {command.name} --help` failed: {last}",
            "an entry point in the group `imtrans.commands` names a Typer app, as `module:app`",
            "import its module in Python, and look at the traceback",
        )
    found = json.loads(asked.stdout.splitlines()[-1])
    if found["taken"]:
        raise case.broken(
            f"imtrans has a command '{command.name}' of its own, which is the one that is called",
            "a command has a name of its own",
            "rename the entry point",
        )
    if found["kind"]:
        raise case.broken(
            f"'{command.point.value}' is not a Typer app but {found['kind']}",
            "an entry point in the group `imtrans.commands` names a Typer app, as `module:app`",
            "write `app = typer.Typer()` and `@app.callback()` or `@app.command()` functions",
        )
    if found["torch"]:
        raise case.broken(
            f"`imtrans {command.name} --help` imports torch, which takes seconds",
            "help and completion answer at once",
            "import torch, and what imports it, inside the functions that use it",
        )


PROMISES = (answers_help_at_once,)
