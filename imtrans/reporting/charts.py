"""Charts: drawn here as SVG, so that they need no script; a script adds what is under the pointer.

The plot is a square of 1000 x 1000 that a page stretches; its ticks are texts beside it, which keep
their size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from imtrans.reporting.series import Logged, Numbers, shown, smoothed, thinned, ticks, window

SIDE = 1000
ROWS = 25  # of the table of a chart
OUTLYING = 0.5  # percent at either end that may be above or below a chart of many values
MANY = 200  # values


@dataclass(frozen=True)
class Tick:
    """A number at an axis, at a share of its length."""

    share: float  # percent
    text: str


@dataclass(frozen=True)
class Trace:
    """One line of a chart. `faint` is every value, `line` their mean over a window, or all."""

    label: str
    line: str  # SVG path data
    faint: str
    last: str
    last_step: int
    best: str = ""
    best_step: int = 0
    mark: str = ""  # at the best


@dataclass(frozen=True)
class Chart:
    """A chart with one line for each run or kind; all lines have the same axes."""

    title: str
    traces: tuple[Trace, ...]
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]  # a table of some of the values
    data: Mapping[str, Any] = field(default_factory=dict)  # for the script, as JSON has it

    @property
    def description(self) -> str:
        """What someone hears who does not see it."""
        lines = (f"{t.label}: {t.last} at step {t.last_step:,}" for t in self.traces)
        return f"{self.title} over the steps of training. " + "; ".join(lines)


@dataclass(frozen=True)
class _Axes:
    left: float
    right: float
    bottom: float
    top: float

    def x(self, steps: Numbers) -> Numbers:
        return (steps - self.left) / (self.right - self.left) * SIDE

    def y(self, values: Numbers) -> Numbers:
        share = (values - self.bottom) / (self.top - self.bottom)
        return SIDE - np.clip(share, 0.0, 1.0) * SIDE


def chart(
    title: str,
    lines: Mapping[str, Logged],
    *,
    higher: bool | None = None,
    zero: bool = False,
    smooth: bool = True,
) -> Chart | None:
    """A chart of these series; None where none has a finite value. `higher` says whether higher is
    better, where the best is to be marked. With `zero` the axis begins there; not `smooth`, the
    line is every value."""
    known = {label: s for label, s in lines.items() if np.isfinite(s.values).any()}
    if not known:
        return None
    widths = {label: window(len(s.values)) if smooth else 1 for label, s in known.items()}
    means = {label: smoothed(s.values, widths[label]) for label, s in known.items()}
    axes = _axes([*known.values()], zero)
    traces, data = [], []
    for label, series in known.items():
        traces.append(_trace(label, series, means[label], axes, widths[label], higher))
        data.append(_points(series, means[label], widths[label]))
    header, rows = _table(known)
    return Chart(
        title,
        tuple(traces),
        tuple(_ticks(axes.left, axes.right, 4)),
        tuple(_ticks(axes.bottom, axes.top)),
        _note(known, axes, max(widths.values())),
        header,
        rows,
        {"left": axes.left, "right": axes.right, "bottom": axes.bottom, "top": axes.top}
        | {"traces": data},
    )


def _axes(series: Sequence[Logged], zero: bool) -> _Axes:
    values = np.concatenate([one.values for one in series])
    values = values[np.isfinite(values)]
    ends = [0, 100] if len(values) < MANY else [OUTLYING, 100 - OUTLYING]
    low, high = np.percentile(values, ends)
    room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    bottom = 0.0 if zero and low >= 0 else low - room
    steps = np.concatenate([one.steps for one in series])
    first, last = float(steps.min()), float(steps.max())
    # Most runs log from step 1 on; the axis begins with the training.
    first = 0.0 if first < last / 4 or first == last else first
    last = last or 1.0
    return _Axes(first, last, float(bottom), float(high + room))


def _trace(
    label: str, series: Logged, smooth: Numbers, axes: _Axes, width: int, higher: bool | None
) -> Trace:
    thin = thinned(series)
    every = _path(axes, thin)
    line = _path(axes, thinned(Logged(series.steps, smooth))) if width > 1 else every
    last = np.flatnonzero(np.isfinite(series.values))[-1]
    facts: dict[str, Any] = {"mark": every} if np.isfinite(series.values).sum() == 1 else {}
    if higher is not None and len(series.values) > 1:
        best = int(np.nanargmax(series.values) if higher else np.nanargmin(series.values))
        one = Logged(series.steps[best : best + 1], series.values[best : best + 1])
        facts = {"best": shown(series.values[best]), "best_step": int(series.steps[best])}
        facts["mark"] = _path(axes, one)
    return Trace(
        label,
        line,
        every if width > 1 else "",
        shown(float(series.values[last])),
        int(series.steps[last]),
        **facts,
    )


def _path(axes: _Axes, series: Logged) -> str:
    """`M0 900L10 880...`; a gap where a value is none, a dot where one is alone."""
    xs, ys = axes.x(series.steps), axes.y(series.values)
    parts: list[str] = []
    before = length = 0
    for x, y in zip(xs, ys, strict=True):
        if not np.isfinite(y):
            if length == 1:
                parts.append("h0")
            before = length = 0
            continue
        parts.append(f"{'L' if before else 'M'}{x:.1f} {y:.1f}")
        before, length = 1, length + 1
    if length == 1:
        parts.append("h0")
    return "".join(parts)


def _ticks(low: float, high: float, most: int = 5) -> list[Tick]:
    return [
        Tick(round((value - low) / (high - low) * 100, 2), shown(value))
        for value in ticks(low, high, most)
    ]


def _points(series: Logged, smooth: Numbers, width: int) -> dict[str, list[float | None]]:
    """What the script shows: at each step of a thin series the mean, or the value."""
    values = smooth if width > 1 else series.values
    thin = thinned(Logged(series.steps, values))
    return {
        "steps": [int(step) for step in thin.steps],
        "values": [float(f"{v:.5g}") if np.isfinite(v) else None for v in thin.values],
    }


def _note(lines: Mapping[str, Logged], axes: _Axes, width: int) -> str:
    notes = [f"The line is the mean of {width} logged values."] if width > 1 else []
    values = np.concatenate([one.values for one in lines.values()])
    beyond = int((values > axes.top).sum() + (values < axes.bottom).sum())
    if beyond:
        values_are = "value is" if beyond == 1 else "values are"
        notes.append(f"{beyond:,} {values_are} outside the chart.")
    absent = int((~np.isfinite(values)).sum())
    if absent:
        values_are = "value is no number" if absent == 1 else "values are no numbers"
        notes.append(f"{absent:,} {values_are}.")
    return " ".join(notes)


def _table(
    lines: Mapping[str, Logged],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Some steps, spread evenly, with the values of all lines."""
    steps = np.unique(np.concatenate([one.steps for one in lines.values()]))
    places = np.unique(np.linspace(0, len(steps) - 1, min(ROWS, len(steps))).round().astype(int))
    columns = [dict(zip(one.steps, one.values, strict=True)) for one in lines.values()]
    rows = (
        (f"{int(step):,}", *(shown(column.get(step)) for column in columns))
        for step in steps[places]
    )
    return ("step", *lines), tuple(rows)
