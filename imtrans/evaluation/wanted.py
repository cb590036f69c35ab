"""What is to be measured, and what became of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imtrans.evaluation.table import EvaluationTable
from imtrans.host.share import Share
from imtrans.translation.sampling import Sampling

Bar = Callable[[str, int], AbstractContextManager[Callable[[], None]]]
Say = Callable[[str], None]
Gathered = Callable[[Any], list[Any] | None]  # see `Meeting.gathered`


def alone(said: Any) -> list[Any]:
    """What is gathered where there are no other ranks."""
    return [said]


@dataclass(frozen=True)
class Wanted:
    """What is to be measured."""

    metrics: Sequence[str] = ()  # by name; none: the usual ones
    settings: Sequence[str] = ()  # KEY=VALUE, of a metric or of the recipe
    split: str | None = None  # None: the recipe's validation pairs
    best: bool = False  # the run's best on validation pairs
    scorer: Path | None = None
    device: str | None = None
    max_pixels: int | None = None  # of one image
    share: Share = Share()  # of the images
    sampling: Sampling = Sampling()  # of a run whose translator draws random numbers


@dataclass(frozen=True)
class Result:
    """What was measured, and where it was written."""

    folder: Path
    table: EvaluationTable
    run: Path | None = None  # None: a checkpoint that belongs to no run here, or folders
    left_out: Sequence[str] = ()  # a line each: images without a partner, metrics without a value
    # Where other shares are still at work, a line on them: the table is of this share then, and
    # nothing is written. '' of a rank that leaves the rest to rank 0.
    pending: str | None = None
