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

    from imtrans.recipe.catalog import Catalog
    from imtrans.sweeping.planning import SweepPlan
    from imtrans.sweeping.results import SweepResult


SweepArgument = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A sweep's file, or the name of a packaged one.",
        autocompletion=completion.sweeps,
    ),
]
RunsOption = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        parser=a_path,
        metavar="DIR",
        help="Where the runs are kept; runs/sweeps/NAME by default.",
    ),
]
BestOption = Annotated[
    bool,
    typer.Option("--best", help="Compare the best checkpoint of each run, and not the newest."),
]
PageOption = Annotated[
    Path | None,
    typer.Option(
        "--html", parser=a_path, metavar="FILE", help="Write a page with pictures and curves."
    ),
]


def sweep(
    file: SweepArgument,
    runs: RunsOption = None,
    set_: SetOption = None,
    best: BestOption = False,
    html: PageOption = None,
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

    if not this_rank().alone:
        raise ImtransError("a sweep trains on one device; start it without torchrun")
    if html:
        check_page(html)
    out, found, catalog = console(), read_sweep(file, set_ or ()), installed()
    folder, chosen = runs or usual_folder(found), str(choose_device(device))

    def planner() -> Planner:
        return Planner(found, folder, catalog, chosen, partial(say_wrapped, out))

    if dry_run:
        _print_plan(planner().plan(timed=True), out)
        return
    with alone_in_sweep(folder):
        plan = planner().kept_plan()
        result = _trained(plan, catalog, best, out)
        _finish(plan, result, html, out)
    raise typer.Exit(1 if result.failed else 0)


def _trained(plan: "SweepPlan", catalog: "Catalog", best: bool, out: "Console") -> "SweepResult":
    from imtrans.sweeping.results import results
    from imtrans.sweeping.running import train_all

    report = partial(say_wrapped, out)
    for remark in plan.remarks:
        report(f"note: {remark}")
    command = ["imtrans", *sys.argv[1:]]
    trained = train_all(plan.runs, plan.device, out, report, command=command)
    if trained.interrupted:
        exit_if_interrupted(trained.interrupted, out)
    return results(
        plan,
        trained.failed,
        catalog,
        best=best,
        say=report,
        bar=partial(progress, out),
        after=lambda run: report_at_the_end(run.folder, out, run.task),
    )


def _print_plan(plan: "SweepPlan", out: "Console") -> None:
    from imtrans.cli.tables import print_table
    from imtrans.sweeping.outlook import lines, rows

    print_table(out, *rows(plan))
    for line in lines(plan):
        say_wrapped(out, line)
    say(out, "dry run: nothing was written")


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
    if html and not result.comparison:
        complain(f"--html {html}: not written, as there is nothing to compare")
    elif html and result.comparison:
        from imtrans.reporting.comparing.page import write_comparison

        say(out, f"page: {write_comparison(result.comparison, html).path}")
