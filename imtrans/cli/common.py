"""Arguments and output that several commands share."""

import sys
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli import completion

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rich.console import Console

    from imtrans.recipe.catalog import Catalog
    from imtrans.training.loop import Outcome

RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE",
        help="A recipe file, or the name of a recipe.",
        autocompletion=completion.recipes,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key: `--set train.epochs=5`.",
        autocompletion=completion.keys,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        metavar="DEVICE", help="cpu, cuda, cuda:1 or mps; default: cuda, else mps, else cpu."
    ),
]
CheckpointHelp = (
    "A run, a checkpoint directory, a generator.safetensors, or hf://OWNER/NAME of a hub."
)


def a_path(text: str | Path) -> Path:
    """The parser of every path argument: an empty one, as of a shell variable that is not set,
    would silently mean the working folder."""
    return Path(not_empty(text))


def not_empty(text: str | Path) -> str:
    if text == "":
        raise typer.BadParameter("it is empty; name a file or a folder")
    return str(text)


def console() -> "Console":
    from imtrans.host.terminal import Terminal

    return Terminal()


def installed(*, quiet: bool = False) -> "Catalog":
    """The catalog, without plugins that could not be imported; stderr names them."""
    from imtrans.recipe.catalog import catalog

    found = catalog()
    for broken in () if quiet else found.broken:
        complain(f"warning: {broken}")
    return found


def echo(text: str, *, err: bool = False) -> None:
    """Print a text without colours or line breaks of its own, to stderr if `err`."""
    from imtrans.host.words import readable

    typer.echo(readable(text), err=err)


def complain(text: str) -> None:
    """Print a text to stderr; in a terminal it is broken between words."""
    from imtrans.host.words import readable, wrapped

    text = readable(text)
    if sys.stderr.isatty():
        text = wrapped(text, get_terminal_size().columns)
    print(text, file=sys.stderr)


def say(out: "Console", line: str) -> None:
    """Print a line as it is, without control characters: no wrapping, no styling."""
    from imtrans.host import terminal

    terminal.say(out, line)


def say_wrapped(out: "Console", line: str, *, hang: int = 2) -> None:
    """Print a line that may be long: a terminal gets it broken between words."""
    from imtrans.host import terminal

    terminal.say_wrapped(out, line, hang=hang)


def exit_if_interrupted(outcome: "Outcome", out: "Console") -> None:
    """After Ctrl-C or SIGTERM: say how to continue, and exit with the code that is customary."""
    if outcome.interrupted_by is None:
        return
    say(out, f"stopped after step {outcome.step}, saved as {outcome.checkpoint}")
    say(out, "the same command continues")
    # SIGTERM is an orderly end that a scheduler requests; Ctrl-C has the exit code of SIGINT.
    raise typer.Exit(130 if outcome.interrupted_by.name == "SIGINT" else 0)


def progress(
    out: "Console", doing: str, total: int
) -> "AbstractContextManager[Callable[[], None]]":
    """A progress bar over `total` items, in a terminal; yields the function to call after each."""
    from imtrans.host import terminal

    return terminal.progress(out, doing, total)
