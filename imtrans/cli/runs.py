from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli import completion
from imtrans.cli.common import a_path, complain, console, echo, say, say_wrapped
from imtrans.cli.groups import CommandGroup

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.runs.listing import Run
    from imtrans.runs.measurements import Series

FolderArgument = Annotated[
    Path, typer.Argument(parser=a_path, metavar="[FOLDER]", help="A folder of runs, or one run.")
]

CompareArgument = Annotated[
    list[Path],
    typer.Argument(
        parser=a_path,
        metavar="RUN...",
        help="Two runs or more.",
        autocompletion=completion.runs,
    ),
]
ONLY_IF_WIDE = ("last written", "task", "epochs")  # columns, the first to go first
SETS = 3  # of validation pairs, whose runs are named

runs = typer.Typer(
    cls=CommandGroup,
    help="List the runs with their progress and metrics, compare some, or delete leftovers.\n\n"
    "Example: `imtrans runs compare runs/one runs/other`",
    invoke_without_command=True,
)


@runs.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()


@runs.command(name="list")
def list_(
    folder: FolderArgument = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """List the runs below a folder: steps, best value of each metric, size and state.

    A metric has one column for all runs: its best value on the validation pairs, whatever
    `validate.keep_best` is. `best` is the metric and the step of the generator that is kept.

    A run is `running` while a process trains it, `done` after its last epoch, `damaged` if it has
    no complete checkpoint (by headers alone; `imtrans inspect` verifies checksums), and `stopped`
    otherwise: the same training command continues it.

    Example: `imtrans runs list experiments --json`
    """
    from imtrans.host.words import counted, size
    from imtrans.runs.listing import find_runs, look_at
    from imtrans.runs.measurements import directions

    paths = find_runs(folder) if _may_exist(folder) else []
    higher = directions() if paths else {}
    found = [look_at(path, folder, higher) for path in paths]
    if json:
        from json import dumps

        echo(dumps([run.facts() for run in found], indent=1))
        return
    if not found:
        say(console(), f"no runs in {folder}")
        return
    out = console()
    _print_runs(out, found)
    for run in found:
        if run.problem:
            complain(f"warning: {run.name}: {run.problem}")
    total = size(sum(run.bytes for run in found))
    say(out, f"{counted(len(found), 'run')}, {total}, in {folder}")
    if caution := _compare_caution(found):
        say_wrapped(out, caution)


@runs.command()
def compare(folders: CompareArgument) -> None:
    """Compare runs: what differs between their recipes, and every metric, best and last.

    `imtrans compare` measures all validation pairs, and says how certain a difference is.

    Example: `imtrans runs compare runs/one runs/other`
    """
    from imtrans.cli.comparison import print_comparison

    print_comparison(console(), folders)


@runs.command()
def clean(
    folder: FolderArgument = Path("runs"),
    checkpoints: Annotated[
        bool,
        typer.Option("--checkpoints", help="Also all checkpoints but the newest and the best."),
    ] = False,
    aside: Annotated[
        bool, typer.Option("--aside", help="Also whole runs that --fresh renamed to NAME.old-1.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete leftovers: half-written files, damaged checkpoints.

    They are listed first, and removed after confirmation. A run that a process is training is not
    touched.

    Example: `imtrans runs clean --checkpoints --yes`
    """
    from imtrans.host.words import counted, size
    from imtrans.runs.cleaning import CleaningOptions, removables, remove
    from imtrans.runs.listing import find_runs

    out, selected = console(), CleaningOptions(checkpoints=checkpoints, aside=aside)
    found = list(removables(find_runs(folder) if _may_exist(folder) else [], selected))
    if not found:
        say(out, f"nothing to remove in {folder}")
        return
    for one in found:
        say(out, f"{size(one.bytes):>8}  {one.path}  ({one.why})")
    total = size(sum(one.bytes for one in found))
    if not yes and not _confirmed(f"remove {counted(len(found), 'item')}, {total}?"):
        say(out, "nothing was removed")
        return
    results = list(remove(found, selected))
    gone = [one for one in results if not isinstance(one, str)]
    kept = [one for one in results if isinstance(one, str)]
    for why in kept:
        echo(f"kept: {why}", err=True)
    say(out, f"removed {counted(len(gone), 'item')}, {size(sum(one.bytes for one in gone))}")
    raise typer.Exit(1 if kept else 0)


def _may_exist(folder: Path) -> bool:
    """False for a default `runs` that is absent: nothing was trained yet, which is no mistake."""
    return folder != Path("runs") or folder.exists()


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question)
    except (typer.Abort, OSError, RuntimeError):  # no answer, or no stdin at all
        typer.echo()
        return False


def _print_runs(out: "Console", found: "list[Run]") -> None:
    """The table, with as many columns as there is room for; the metrics are those of most runs."""
    from imtrans.cli.tables import natural_width, print_table
    from imtrans.runs.measurements import in_common

    metrics = in_common(run.metrics for run in found)
    rows = [_row(run, metrics) for run in found]
    shown = list(rows[0])
    for name in (*ONLY_IF_WIDE, *reversed(metrics[1:]), "best", "size"):
        if natural_width([shown, *([row[name] for name in shown] for row in rows)]) <= out.width:
            break
        shown.remove(name)
    print_table(out, shown, [[row[name] for name in shown] for row in rows])


def _row(run: "Run", metrics: list[str]) -> dict[str, str]:
    from datetime import datetime

    from imtrans.host.words import size

    return {
        "run": run.name,
        "task": run.title,
        "state": run.state,
        "step": f"{run.step}/{run.steps}" if run.steps is not None else str(run.step),
        "epochs": f"{run.epoch}/{run.epochs}" if run.epochs is not None else "",
        **{name: _best_of(run.metrics.get(name)) for name in metrics},
        "best": f"{run.metric} at {run.best.step}" if run.best.value is not None else "",
        "size": size(run.bytes),
        "last written": datetime.fromtimestamp(run.written).strftime("%Y-%m-%d %H:%M"),
    }


def _best_of(series: "Series | None") -> str:
    return "-" if series is None or series.best is None else f"{series.best:.4g}"


def _compare_caution(found: "list[Run]") -> str:
    """A line where the numbers of some runs do not compare; empty where all do."""
    from imtrans.api.errors import some

    groups: dict[str, list[str]] = {}
    for run in found:
        if run.measured_on:
            groups.setdefault(run.measured_on, []).append(run.name)
    if len(groups) < 2:
        return ""
    sets = " | ".join(some(names) for names in groups.values())
    if len(groups) > SETS:
        sets = f"{len(groups)} sets; `imtrans runs compare A B` says what differs"
    return f"metrics compare only within the same validation pairs and size: {sets}"
