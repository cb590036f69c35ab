"""Output to the terminal, or to whatever stdout is connected to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn


class Terminal(Console):
    """A console that goes quiet when its reader exits (`| head`), instead of ending a training."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def say(console: Console, line: str) -> None:
    """Print a line unchanged: no wrapping, no styling."""
    console.print(line, soft_wrap=True, markup=False, highlight=False)


@contextmanager
def progress(console: Console, doing: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar over `total` items, in a terminal; yields the function to call after each."""
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda: bar.advance(task)
