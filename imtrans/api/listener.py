"""What hears of a training: the log on disk, the view in the terminal, and loggers of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Moment:
    """Where a training is: `step` of `steps` done, in `epoch` (from 1) of `epochs`."""

    step: int
    steps: int
    epoch: int
    epochs: int


@dataclass(frozen=True)
class Reading:
    """The steps since the last reading, together."""

    losses: Mapping[str, float]  # means, unweighted
    learning_rate: float
    images_per_second: float
    steps_per_second: float
    waiting: float  # share of the time in which a step waited for data, 0 .. 1


@dataclass(frozen=True)
class Measured:
    """A metric on the validation pairs."""

    value: float
    higher_is_better: bool


class Listener:
    """Hears of a training. Each method does nothing unless it is overridden.

    A logger of a plugin that raises is switched off with one line, and the training goes on.
    """

    def begun(self, at: Moment) -> None:
        """A session begins, new or after `at.step`: steps after it will be taken again."""

    def stepped(self, at: Moment) -> None:
        """A step is done; nothing is known of it yet. Called thousands of times: be quick."""

    def logged(self, at: Moment, reading: Reading) -> None:
        """The losses were read, every `train.log_every` steps."""

    def validated(self, at: Moment, metrics: Mapping[str, Measured], best_step: int) -> None:
        """The metrics were measured; `best_step` had the best so far (0: none yet)."""

    def sampled(self, at: Moment, grid: Image) -> None:
        """The previews were drawn."""

    def saved(self, at: Moment, path: Path) -> None:
        """A checkpoint was written."""

    def said(self, line: str) -> None:
        """A line for a person."""

    def closed(self) -> None:
        """The session ends, however it ends."""
