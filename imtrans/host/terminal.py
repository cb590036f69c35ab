"""Output to the terminal, or to whatever stdout is connected to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from imtrans.host.words import readable, wrapped


class Terminal(Console):
    """A console that prints texts as they are: in names, recipes and answers of servers, `[red]`,
    `:smile:` and control characters mean nothing. What has a style is a rich Text.

    It goes quiet when its reader exits (`| head`), instead of ending a training.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Every text comes through here on its way to the terminal, those in tables too."""
        return super().render_str(readable(text), **options)

    def on_broken_pipe(self) -> None:
        self.quiet = True


def say(console: Console, line: str) -> None:
    """Print a line as it is, but for control characters; on any console, without wrapping."""
    console.print(readable(line), soft_wrap=True, markup=False, emoji=False, highlight=False)


def say_wrapped(console: Console, line: str, *, hang: int = 2) -> None:
    """Print a line that a terminal gets broken between words, what goes on indented by `hang`. A
    file or a pipe gets it whole, as whatever searches it there expects."""
    say(console, wrapped(readable(line), console.width, hang) if console.is_terminal else line)


@contextmanager
def progress(console: Console, doing: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar over `total` items, in a terminal; yields the function to call after each."""
    description = TextColumn("{task.description}", markup=False)
    columns = (description, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda: bar.advance(task)
