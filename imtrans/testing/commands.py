"""What a command promises. It is started in a process of its own, as a user does."""

import json
import subprocess
import sys

from imtrans.testing.case import Case
from imtrans.testing.command import Command

# Its last words, if any, are the fault: one of those below, or the error that ended it.
ASKED = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
import typer.main
from importlib.metadata import EntryPoint
from imtrans.cli.groups import Pointing
from imtrans.cli.main import app as ours
name, value = sys.argv[2:]
if name in Pointing.list_commands(typer.main.get_command(ours), None):
    sys.exit("taken")
app = EntryPoint(name, value, "imtrans.commands").load()
if not isinstance(app, typer.Typer):
    sys.exit("kind " + type(app).__name__)
typer.main.get_command(app).main(["--help"], prog_name="imtrans " + name, standalone_mode=False)
sys.exit("torch" if "torch" in sys.modules else 0)
"""
APP = "an entry point in the group `imtrans.commands` names a Typer app, as `module:app`"


def answers_help_at_once(case: Case) -> None:
    command = case.component
    assert isinstance(command, Command)
    words = [json.dumps(sys.path), command.name, command.point.value]
    asked = subprocess.run(
        [sys.executable, "-c", ASKED, *words], capture_output=True, text=True, timeout=120
    )
    if asked.returncode:
        last = (asked.stderr.strip() or "it ended without a word").splitlines()[-1]
        raise case.broken(*_fault(command, last))


def _fault(command: Command, last: str) -> tuple[str, str, str]:
    """What was found, the contract, and what to do, by the last words of the process."""
    if last == "taken":
        return (
            f"imtrans has a command '{command.name}' of its own, which is the one that is called",
            "a command has a name of its own",
            "rename the entry point",
        )
    if last == "torch":
        return (
            f"`imtrans {command.name} --help` imports torch, which takes seconds",
            "help and completion answer at once",
            "import torch, and what imports it, inside the functions that use it",
        )
    if last.startswith("kind "):
        return (
            f"'{command.point.value}' is not a Typer app but {last.removeprefix('kind ')}",
            APP,
            "write `app = typer.Typer()`, and functions with `@app.command()`",
        )
    return (
        f"`imtrans {command.name} --help` failed: {last}",
        APP,
        "import its module in Python, and look at the traceback",
    )


PROMISES = (answers_help_at_once,)
