import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli import completion
from imtrans.cli.common import (
    DeviceOption,
    SetOption,
    a_path,
    complain,
    console,
    exit_if_interrupted,
    installed,
    progress,
    say,
    say_wrapped,
)
from imtrans.cli.compare import check_page, print_differences
from imtrans.cli.report import report_at_the_end

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.sweeping.planning import SweepPlan
    from imtrans.sweeping.results import SweepResult


def sweep(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A sweep's file, or the name of a packaged one.",
            autocompletion=completion.sweeps,
        ),
    ],
    runs: Annotated[
        Path | None,
        typer.Option(
            "--runs",
            parser=a_path,
            metavar="DIR",
            help="Where the runs are kept; runs/sweeps/NAME by default.",
        ),
    ] = None,
    best: Annotated[
        bool,
        typer.Option(
            "--best", help="Compare the best checkpoint of each run instead of the newest."
        ),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", parser=a_path, metavar="FILE", help="Write a page with pictures and curves."
        ),
    ] = None,
    set_: SetOption = None,
    device: DeviceOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the runs and how long they will take, then exit."),
    ] = False,
) -> None:
    """Train variants of a recipe with several seeds each, and say which of them are better.

    The file names a recipe, the seeds, and the keys that each variant changes; with equal = "time"
    every variant trains for as long as the first one. The same command again continues where it
    stopped, and trains what was added to the file. A run that fails does not stop the others; the
    exit code is 1 then.

    At the end all runs are evaluated and compared as `imtrans compare` does it, and the table is
    written beside them: table.md and table.json.

    Example: `imtrans sweep quick`
    """
    from imtrans.host.devices import choose_device
    from imtrans.host.ranks import this_rank
    from imtrans.sweeping.file import read_sweep
    from imtrans.sweeping.kept import alone_in_sweep
    from imtrans.sweeping.planning import Planner, usual_folder
    from imtrans.sweeping.results import results
    from imtrans.sweeping.running import train_all

    if not this_rank().alone:
        raise ImtransError("a sweep trains on one device; start it without torchrun")
    if html:
        check_page(html)
    out, found = console(), read_sweep(file, set_ or ())
    catalog, folder = installed(), runs or usual_folder(found)
    report, chosen = partial(say_wrapped, out), str(choose_device(device))
    if dry_run:
        _print_plan(Planner(found, folder, catalog, chosen, report).plan(timed=True), out)
        say(out, "dry run: nothing was written")
        return
    with alone_in_sweep(folder):
        planner = Planner(found, folder, catalog, chosen, report)
        plan = planner.plan()
        planner.keep()
        for remark in plan.remarks:
            report(f"note: {remark}")
        command = ["imtrans", *sys.argv[1:]]
        trained = train_all(plan.runs, chosen, out, report, command=command)
        if trained.interrupted:
            exit_if_interrupted(trained.interrupted, out)
        result = results(
            plan,
            trained.failed,
            catalog,
            best=best,
            say=report,
            bar=partial(progress, out),
            after=lambda run: report_at_the_end(run.folder, out, run.task),
        )
        _finish(plan, result, html, out)
    raise typer.Exit(1 if result.failed else 0)


def _print_plan(plan: "SweepPlan", out: "Console") -> None:
    from imtrans.cli.tables import print_table
    from imtrans.sweeping.outlook import lines, rows

    print_table(out, *rows(plan))
    for line in lines(plan):
        say_wrapped(out, line)


def _finish(plan: "SweepPlan", result: "SweepResult", html: Path | None, out: "Console") -> None:
    from imtrans.cli.tables import print_table
    from imtrans.sweeping.table import JSON, MARKDOWN, notes, turned, values, write_table

    write_table(plan, result)
    print_table(out, *turned(values(result)))
    say(out, "")
    if result.comparison:
        print_differences(out, result.comparison)
    for line in notes(plan, result):
        say_wrapped(out, line)
    for line in result.failures:
        complain(line)
    say(out, f"written to {plan.folder / MARKDOWN} and {JSON}")
    if html and result.comparison:
        from imtrans.reporting.comparing.page import write_comparison

        say(out, f"page: {write_comparison(result.comparison, html).path}")
