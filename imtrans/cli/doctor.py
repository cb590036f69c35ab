from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli.common import console

MARKS = {"ok": "[green]ok[/]    ", "note": "[yellow]note[/]  ", "wrong": "[red]wrong[/] "}


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document instead, on stdout.")
    ] = False,
) -> None:
    """Say what this machine has, what is fast on it, what is missing, and which settings suit it.

    Versions, plugins, devices, memory, disk, and a small measurement of bf16 against fp32; a few
    seconds. Exit code 1 when something is wrong: a broken plugin, a full disk, an unusable GPU.

    Example: `imtrans doctor`
    """
    import json
    from dataclasses import asdict

    from imtrans.checking.machine.examine import examine
    from imtrans.recipe.catalog import catalog

    out, found = console(), []
    for finding in examine(Path("runs"), catalog):
        found.append(finding)
        if not as_json:
            out.print(f"{MARKS[finding.state]} {finding.subject:<12} ", end="")
            out.print(finding.said, soft_wrap=True, markup=False)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=2))
    raise typer.Exit(1 if any(finding.state == "wrong" for finding in found) else 0)
