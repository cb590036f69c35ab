from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli.common import a_path, console, echo, say

if TYPE_CHECKING:
    from imtrans.runs.listing import Run

FolderArgument = Annotated[
    Path, typer.Argument(parser=a_path, metavar="[FOLDER]", help="A folder of runs, or one run.")
]

WIDE = 70  # characters of a terminal that is wide enough for every column of the table
ONLY_IF_WIDE = ("task", "epochs", "last written")

runs = typer.Typer(
    help="List the runs with their progress and best validation, or remove files not needed.\n\n"
    "Example: `imtrans runs clean --checkpoints`",
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
    """List the runs below a folder: steps, best validation, size and state.

    A run is `running` while a process trains it, `done` after its last epoch, `damaged` if it has
    no complete checkpoint (by headers alone; `imtrans inspect` verifies checksums), and `stopped`
    otherwise: the same training command continues it.

    Example: `imtrans runs list experiments --json`
    """
    from imtrans.host.words import counted, size
    from imtrans.runs.listing import find_runs, look_at

    found = [look_at(path, folder) for path in find_runs(folder)] if _may_exist(folder) else []
    if json:
        from json import dumps

        echo(dumps([run.facts() for run in found], indent=1))
        return
    if not found:
        say(console(), f"no runs in {folder}")
        return
    out = console()
    out.print(_table(found, out.width))
    for run in found:
        if run.problem:
            echo(f"warning: {run.name}: {run.problem}", err=True)
    total = size(sum(run.bytes for run in found))
    say(out, f"{counted(len(found), 'run')}, {total}, in {folder}")


@runs.command()
def clean(
    folder: FolderArgument = Path("runs"),
    checkpoints: Annotated[
        bool,
        typer.Option("--checkpoints", help="Also all checkpoints but the newest and the best."),
    ] = False,
    aside: Annotated[
        bool, typer.Option("--aside", help="Also whole runs that --fresh moved aside (.old-1).")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove files that runs no longer need: half-written files and damaged checkpoints.

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


def _table(found: "list[Run]", width: int) -> object:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    rows = [_row(run) for run in found]
    shown = [name for name in rows[0] if width >= WIDE or name not in ONLY_IF_WIDE]
    for name in shown:
        table.add_column(name, overflow="fold", no_wrap=name in ("state", "size"))
    for row in rows:
        table.add_row(*(row[name] for name in shown))
    return table


def _row(run: "Run") -> dict[str, str]:
    from datetime import datetime

    from imtrans.host.words import size

    return {
        "run": run.name,
        "task": run.title,
        "state": run.state,
        "step": f"{run.step}/{run.steps}" if run.steps is not None else str(run.step),
        "epochs": f"{run.epoch}/{run.epochs}" if run.epochs is not None else "",
        "best": _best(run),
        "size": size(run.bytes),
        "last written": datetime.fromtimestamp(run.written).strftime("%Y-%m-%d %H:%M"),
    }


def _best(run: "Run") -> str:
    if run.best.value is None:
        return ""
    return f"{run.metric or 'best'} {run.best.value:.4g} at {run.best.step}"
