"""Training as a person watches it: a live view in a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from rich.console import Console

if TYPE_CHECKING:
    from imtrans.runs.best import Best
    from imtrans.training.meter import Reading  # which import torch; `imtrans recipes` must not


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
    """What a sitting tells while it trains."""

    def say(self, line: str) -> None: ...

    def advance(self, epoch: int, step: int) -> None: ...

    def logged(self, now: Progression) -> None: ...

    def validated(self, step: int, metrics: Mapping[str, float], best: Best) -> None: ...

    def close(self) -> None: ...


def display(console: Console, epochs: int, steps: int, step: int) -> Display:
    """The display that suits this console; `step` of `steps` are done already."""
    if console.is_terminal and not console.is_dumb_terminal:
        from imtrans.training.display.live import LiveView

        return LiveView(console, epochs, steps, step)
    return PlainLines(console)


class PlainLines:
    """One line whenever losses are logged: for files, pipes and job logs."""

    def __init__(self, console: Console) -> None:
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
            f"left {duration(now.seconds_left)}  {now.losses}"
        )

    def validated(self, step: int, metrics: Mapping[str, float], best: Best) -> None:
        told = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        mark = "  best so far" if best.step == step > 0 else ""
        self.say(f"step {step}: held out  {told}{mark}")

    def close(self) -> None:
        pass


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: 1:02:03."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
