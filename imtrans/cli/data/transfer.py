"""How a transfer looks: a bar with its speed in a terminal, a line per tenth elsewhere."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from imtrans.cli.common import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID


class Transfer:
    """The progress of a fetch, shown on a console; a context, which ends the bar."""

    def __init__(self, out: "Console") -> None:
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._out = out
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=out,
            transient=True,
            disable=not out.is_terminal,
        )
        self._task: TaskID | None = None
        self._doing, self._total, self._tenths = "", 1, 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, line: str) -> None:
        say(self._out, line)

    def begin(self, doing: str, total: int, done: int = 0) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(doing, total=total, completed=done)
        self._doing, self._total, self._tenths = doing, max(total, 1), 10 * done // max(total, 1)

    def reach(self, done: int) -> None:
        if self._task is not None:
            self._bar.update(self._task, completed=done)
        tenths = min(10 * done // self._total, 10)
        if not self._out.is_terminal and tenths > self._tenths:
            self._tenths = tenths
            say(self._out, f"{self._doing}: {tenths * 10}% of {self._total:,} bytes")
