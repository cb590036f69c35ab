from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.card import NamedRun
from imtrans.cli.common import a_path, complain, console, progress, say

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.task import Task


def report(
    run: NamedRun,
    output: Annotated[
        Path | None,
        typer.Option(parser=a_path, metavar="FILE", help="Write it there, not into the run."),
    ] = None,
    check_data: Annotated[
        bool,
        typer.Option("--check-data", help="Open every picture of the data, as `data check` does."),
    ] = False,
) -> None:
    """Write a run as one HTML page: pictures with a slider, the samples through training, curves,
    the evaluation, what differs from the shipped recipe, the data, and each session.

    The file needs nothing beside it, and asks for nothing on a network. `imtrans train` writes it
    too when it ends; a run that is still training may be reported at any time.

    Example: `imtrans report runs/maps`
    """
    from imtrans.reporting.report import pairs_to_open, write_report
    from imtrans.runs.listing import find_run

    found = find_run(run)
    if found is None:
        raise ImtransError(f"{run}: no such run; `imtrans runs` lists those in runs/")
    out = console()
    with progress(out, "opening pairs", pairs_to_open(found) if check_data else 0) as on_pair:
        written = write_report(found, output, check_data=check_data, on_pair=on_pair)
    say(out, str(written.path))


def report_at_the_end(run: Path, out: "Console", task: "Task | None" = None) -> None:
    """After a command that has changed a run: write its report, and say where it is. Whatever goes
    wrong is one line, since what the command was for is done; after Ctrl-C there is no report."""
    from imtrans.reporting.report import write_report

    try:
        say(out, f"report: {write_report(run, task=task).path}")
    except KeyboardInterrupt:
        pass
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        complain(f"warning: {run}: no report was written: {reason}")
