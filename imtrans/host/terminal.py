"""The terminal, or whatever else reads what imtrans says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn


class Terminal(Console):
    """A console whose reader may go away (`| head`): a training does not end with it."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def say(console: Console, line: str) -> None:
    """A line as it is: not wrapped, not styled."""
    console.print(line, soft_wrap=True, markup=False, highlight=False)


@contextmanager
def progress(console: Console, doing: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar over `total` things, in a terminal; yields what to call after each."""
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda: bar.advance(task)
