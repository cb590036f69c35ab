"""What a run logged, as series of numbers: thinned for a page, smoothed, with their ticks."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imtrans.runs.records import Records

POINTS = 600  # of a series on a page
WINDOW = 0.025  # share of the values over which a smooth line averages
FEWEST = 40  # values of which a smooth line is drawn
LAST_STEP = 2**53
LARGEST = 1e30  # beyond it a value is as good as infinite, and cannot be drawn

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Logged:
    """A number over the steps of a run; steps ascend, values may be NaN."""

    steps: Numbers
    values: Numbers


@dataclass
class Log:
    """A file of records: its series by name, and the lines that are none."""

    series: dict[str, Logged] = field(default_factory=dict)
    unreadable: int = 0  # lines


def read_log(path: Path) -> Log:
    """The series of metrics.jsonl or validation.jsonl; a step that is there twice counts as it was
    written last. Nothing where there is no such file."""
    columns: dict[str, dict[int, float]] = {}
    read = 0
    with suppress(OSError):
        for record in Records(path).up_to(LAST_STEP):
            read += 1
            step = int(record["step"])
            for name, value in _numbers(record):
                if step >= 0:
                    columns.setdefault(name, {})[step] = value
    return Log({name: _series(rows) for name, rows in columns.items()}, _lines(path) - read)


def _numbers(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in record.items():
        # Not isinstance: a truth value is none, and a long log is to be read in a moment.
        if type(value) in (int, float) and name not in ("step", "epoch"):
            yield name, float(value) if abs(value) <= LARGEST else math.nan


def _series(rows: Mapping[int, float]) -> Logged:
    steps = sorted(rows)
    return Logged(
        np.array(steps, dtype=np.float64), np.array([rows[step] for step in steps], np.float64)
    )


def _lines(path: Path) -> int:
    with suppress(OSError):
        return len(path.read_text(encoding="utf-8", errors="replace").splitlines())
    return 0


def thinned(series: Logged, points: int = POINTS) -> Logged:
    """At most so many points, with every peak: of each stretch its smallest and its largest."""
    count = len(series.values)
    if count <= points:
        return series
    kept = {0, count - 1}
    for part in np.array_split(np.arange(count), points // 2 - 1):
        values = series.values[part]
        known = part[np.isfinite(values)]
        if len(known):
            kept |= {known[series.values[known].argmin()], known[series.values[known].argmax()]}
        else:
            kept.add(part[0])
    places = np.array(sorted(int(place) for place in kept))
    return Logged(series.steps[places], series.values[places])


def window(count: int) -> int:
    """How many values a smooth line averages; 1 where none is drawn."""
    return max(5, round(count * WINDOW)) if count >= FEWEST else 1


def smoothed(values: Numbers, width: int) -> Numbers:
    """The mean of the `width` values around each, of fewer at the ends; NaN counts as absent."""
    known = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    places = np.arange(len(values))
    low = np.maximum(places - width // 2, 0)
    high = np.minimum(places + width // 2 + 1, len(values))
    found = counts[high] - counts[low]
    means = (sums[high] - sums[low]) / np.maximum(found, 1)
    return np.where(found > 0, means, np.nan)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers within a range, at most so many."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low]
    unit = 10.0 ** math.floor(math.log10(span / most))
    step = next((unit * m for m in (1, 2, 5, 10) if span / (unit * m) <= most), unit * 10)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def shown(value: float | None) -> str:
    """A number as a page shows it: four digits that count."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else "infinite"
    size = abs(value)
    if 1000 <= size < 1e9:
        return f"{value:,.0f}"
    return re.sub(r"e([+-])0", r"e\1", f"{value:.4g}").replace("e+", "e")
