"""Arguments that several commands share, and how they speak."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from imtrans.plugins import Catalog
    from imtrans.training.fit import Outcome

RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a recipe.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key: `--set train.epochs=5`."),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:1 or mps; the best there is by default."),
]
CheckpointHelp = "A run, a checkpoint directory, or a generator.safetensors."


def console() -> "Console":
    from imtrans.training.display import Terminal

    return Terminal(highlight=False)


def installed() -> "Catalog":
    """The catalog; plugins that could not be imported are told on stderr, and do without."""
    from imtrans.plugins import catalog

    found = catalog()
    for broken in found.broken:
        typer.echo(f"warning: {broken}", err=True)
    return found


def say(out: "Console", line: str) -> None:
    """A line as it is: not wrapped, not styled."""
    out.print(line, soft_wrap=True, markup=False)


def exit_if_interrupted(outcome: "Outcome", out: "Console") -> None:
    """After Ctrl-C or SIGTERM: say how to continue, and leave with the exit code that is due."""
    if outcome.interrupted_by is None:
        return
    say(out, f"stopped after step {outcome.step}, saved as {outcome.checkpoint}")
    say(out, "the same command continues")
    # SIGTERM is an orderly end that a scheduler asks for; Ctrl-C keeps its customary exit code.
    raise typer.Exit(130 if outcome.interrupted_by.name == "SIGINT" else 0)


@contextmanager
def progress(out: "Console", doing: str, total: int) -> "Iterator[Callable[[], None]]":
    """A bar over `total` things, in a terminal; yields what to call after each."""
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda: bar.advance(task)


def run_name(recipe: str) -> str:
    """What a recipe's run is called: the name of its file."""
    return Path(recipe).stem if recipe.endswith(".toml") else Path(recipe).name
