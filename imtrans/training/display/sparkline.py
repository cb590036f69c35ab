"""A curve in one line of text: of blocks, or of signs where a terminal knows no more than ASCII."""

import math
from collections import deque
from collections.abc import Sequence

LENGTH = 40  # readings that a curve remembers
BLOCKS = "▁▂▃▄▅▆▇█"
SIGNS = ".:-=+*#@"


class Curve:
    """The last readings of a quantity; its first; and the least and the greatest of those that
    count, NaN before there is one."""

    def __init__(self) -> None:
        self.values: deque[float] = deque(maxlen=LENGTH)
        self.first = self.least = self.greatest = math.nan

    def append(self, value: float, *, counts: bool = True) -> None:
        if not self.values:
            self.first = value
        self.values.append(value)
        if counts and math.isnan(self.least):
            self.least = self.greatest = value
        elif counts:
            self.least, self.greatest = min(self.least, value), max(self.greatest, value)

    @property
    def last(self) -> float:
        return self.values[-1]


def sparkline(values: Sequence[float], width: int, *, ascii_only: bool = False) -> str:
    """The last `width` values, one character each, from the least (low) to the greatest (high).

    Infinities are at the end of the scale; what is not a number is a gap.
    """
    shown = list(values)[-width:] if width > 0 else []
    levels = SIGNS if ascii_only else BLOCKS
    finite = [value for value in shown if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return "".join(_level(value, low, high, levels) for value in shown)


def _level(value: float, low: float, high: float, levels: str) -> str:
    if math.isnan(value):
        return " "
    if math.isinf(value):
        return levels[-1 if value > 0 else 0]
    if high <= low:
        return levels[0]
    # Halved before they are subtracted: the difference of two numbers may be too large for one.
    share = (value / 2 - low / 2) / (high / 2 - low / 2)
    return levels[round(share * (len(levels) - 1))]


def number(value: float) -> str:
    """A loss or a metric, short: 0.693, 12.3, 0.00042."""
    size = abs(value)
    if not math.isfinite(value) or size >= 1000 or 0 < size < 0.01:
        return f"{value:.3g}"
    return f"{value:.3f}"
