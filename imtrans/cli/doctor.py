from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli.common import console, echo

if TYPE_CHECKING:
    from imtrans.checking.finding import Finding


def doctor(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead.")
    ] = False,
) -> None:
    """Report what this machine has, what is fast on it, what is missing, and the best settings.

    Versions, plugins, devices, memory, disk, and a short measurement of bf16 against fp32; a few
    seconds. Exit code 1 if there are errors: a broken plugin, a full disk, an unusable GPU.

    Example: `imtrans doctor`
    """
    import json

    from imtrans.checking.machine.examine import examine
    from imtrans.cli.findings import any_error, print_line
    from imtrans.recipe.catalog import catalog

    out, found = console(), []
    for finding in examine(Path("runs"), catalog):
        found.append(finding)
        if not as_json:
            print_line(out, finding)
    if as_json:
        echo(json.dumps([_as_json(finding) for finding in found], indent=2))
    raise typer.Exit(1 if any_error(found) else 0)


def _as_json(finding: "Finding") -> dict[str, str]:
    return {
        "subject": finding.subject,
        "state": finding.severity,
        "message": finding.message,
        "remedy": finding.remedy,
    }
