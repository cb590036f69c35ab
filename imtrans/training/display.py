"""Training as a person watches it: a live bar in a terminal, plain lines anywhere else."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from imtrans.training.meter import Reading  # which imports torch; `imtrans recipes` must not


@dataclass(frozen=True)
class Progression:
    """Where training stands, at a moment when its losses are known."""

    epoch: int
    epochs: int
    step: int
    steps: int
    reading: Reading

    @property
    def speed(self) -> str:
        reading = self.reading
        return f"{reading.images_per_second:.1f} images/s  waiting {reading.waiting:.0%}"

    @property
    def losses(self) -> str:
        return "  ".join(f"{name} {value:.3f}" for name, value in self.reading.losses.items())

    @property
    def seconds_left(self) -> float:
        return (self.steps - self.step) / max(self.reading.steps_per_second, 1e-9)


class Display(Protocol):
    def say(self, line: str) -> None: ...

    def advance(self, epoch: int, step: int) -> None: ...

    def logged(self, now: Progression) -> None: ...

    def close(self) -> None: ...


def display(console: Console, epochs: int, steps: int, step: int) -> Display:
    """The display that suits this console; `step` of `steps` are done already."""
    kind = LiveBar if console.is_terminal else PlainLines
    return kind(console, epochs, steps, step)


class LiveBar:
    """A bar with epoch, step, speed, share of waiting, time left and the current losses."""

    def __init__(self, console: Console, epochs: int, steps: int, step: int) -> None:
        self._epochs = epochs
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            TextColumn("{task.fields[losses]}"),
            console=console,
            refresh_per_second=4,
        )
        self._task = self._progress.add_task(
            "", total=steps, completed=step, epoch=f"-/{epochs}", speed="", losses=""
        )
        self._progress.start()

    def say(self, line: str) -> None:
        self._progress.console.print(line, highlight=False, markup=False)

    def advance(self, epoch: int, step: int) -> None:
        self._progress.update(self._task, completed=step, epoch=f"{epoch}/{self._epochs}")

    def logged(self, now: Progression) -> None:
        self._progress.update(self._task, speed=now.speed, losses=now.losses)

    def close(self) -> None:
        self._progress.stop()


class PlainLines:
    """One line whenever losses are logged: for files, pipes and job logs."""

    def __init__(self, console: Console, epochs: int, steps: int, step: int) -> None:
        self._console = console

    def say(self, line: str) -> None:
        # A reader that is gone (`| head`) or a full disk behind `>` must not end a training.
        with suppress(OSError):
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def advance(self, epoch: int, step: int) -> None:
        pass

    def logged(self, now: Progression) -> None:
        self.say(
            f"epoch {now.epoch}/{now.epochs}  step {now.step}/{now.steps}  {now.speed}  "
            f"left {_duration(now.seconds_left)}  {now.losses}"
        )

    def close(self) -> None:
        pass


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
