"""What `imtrans evaluate` left in RUN/evaluation/SPLIT: metrics, and pictures with the reason why
they were kept."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from imtrans.host.foreign import FAULTS
from imtrans.host.words import plain
from imtrans.reporting.pictures import Figure, read_figure
from imtrans.reporting.series import LARGEST, Numbers, shown

FOLDER = "evaluation"
PICTURES = 24
SIDES = ("source", "output", "target")
BINS = 24
MOST_ROWS = 1_000_000
MOST_METRICS = 40


@dataclass(frozen=True)
class Score:
    """A metric over all images of a split, with its confidence interval."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int | None
    higher: bool | None
    ceiling: float | None

    @property
    def interval(self) -> str:
        if self.low is None or self.high is None:
            return "-"
        return f"{shown(self.low)} to {shown(self.high)}"

    @property
    def text(self) -> str:
        return shown(self.value)

    @property
    def sense(self) -> str:
        return (
            "" if self.higher is None else "higher is better" if self.higher else "lower is better"
        )


@dataclass(frozen=True)
class Histogram:
    """How the images of a split are distributed over the values of a metric."""

    name: str
    counts: tuple[int, ...]
    low: float
    high: float
    mean: float

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def bars(self) -> list[tuple[float, float, float, float]]:
        """x, y, width and height of each bar, of 1000."""
        width, most = 1000 / len(self.counts), max(self.counts)
        heights = [count / most * 1000 for count in self.counts]
        return [
            (
                round(i * width + 2, 1),
                round(1000 - height, 1),
                round(width - 4, 1),
                round(height, 1),
            )
            for i, height in enumerate(heights)
        ]

    @property
    def rows(self) -> list[tuple[str, str]]:
        edges = np.linspace(self.low, self.high, len(self.counts) + 1)
        return [
            (f"{shown(float(edges[i]))} to {shown(float(edges[i + 1]))}", f"{count:,}")
            for i, count in enumerate(self.counts)
        ]


@dataclass(eq=False)
class Triptych:
    """An output with its source and its target, where these are there."""

    name: str
    why: list[str]
    values: dict[str, str]
    sides: dict[str, Figure]
    main: tuple[str, float] | None = None  # the value by which pictures are ordered, and its name

    @property
    def listed(self) -> dict[str, Any]:
        """Its values for the script: lists, which keep their order in JSON."""
        return {"columns": [], "rows": [list(row) for row in self.values.items()]}


@dataclass
class Evaluation:
    """A split, as it was measured."""

    split: str
    step: int | None
    checkpoint: str
    n: int | None
    main: str
    resamples: int | None
    confidence: float | None
    scores: list[Score] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    triptychs: list[Triptych] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)  # pictures that are named, and cannot be shown
    histograms: list[Histogram] = field(default_factory=list)
    sheet: Figure | None = None  # several outputs for each of a few sources


def evaluations(run: Path) -> tuple[list[Evaluation], list[str]]:
    """The evaluations in a run, and a line for each that cannot be read."""
    found, problems = [], []
    for file in sorted((run / FOLDER).glob("*/metrics.json")):
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
            found.append(evaluation_of(file.parent, facts))
        except (OSError, *FAULTS) as error:
            problems.append(f"{file.relative_to(run)} cannot be read: {plain(error)}")
    return found, problems


def evaluation_of(folder: Path, facts: Mapping[str, Any]) -> Evaluation:
    """What a folder with these facts, its metrics.json, shows. Facts of another shape raise one of
    FAULTS."""
    evaluation = Evaluation(
        plain(facts.get("split") or folder.name),
        _whole(facts.get("step")),
        plain(facts.get("checkpoint") or ""),
        _whole(facts.get("n")),
        plain(facts.get("main") or ""),
        _whole(facts.get("resamples")),
        _number(facts.get("confidence")),
    )
    metrics = list((facts.get("metrics") or {}).items())[:MOST_METRICS]
    evaluation.scores = [_score(name, values) for name, values in metrics]
    evaluation.skipped = [
        (plain(row.get("name")), plain(row.get("why"))) for row in facts.get("skipped") or ()
    ]
    for entry in (facts.get("pictures") or ())[:PICTURES]:
        _add_picture(evaluation, folder, entry)
    if isinstance(sheet := facts.get("sheet"), str):
        evaluation.sheet = _inside(folder, sheet)
    evaluation.histograms = list(_histograms(folder / "metrics.csv"))
    return evaluation


def _score(name: str, values: Mapping[str, Any]) -> Score:
    higher = values.get("higher_is_better")
    return Score(
        plain(name),
        _number(values.get("value")),
        _number(values.get("low")),
        _number(values.get("high")),
        _whole(values.get("n")),
        higher if isinstance(higher, bool) else None,
        _number(values.get("ceiling")),
    )


def _add_picture(evaluation: Evaluation, folder: Path, entry: Mapping[str, Any]) -> None:
    sides = {}
    for side in SIDES:
        named = entry.get(side)
        if not isinstance(named, str):
            continue
        figure = _inside(folder, named)
        if figure:
            sides[side] = figure
        else:
            evaluation.unread.append(plain(named))
    if "output" not in sides:
        return
    given = {plain(name): _number(value) for name, value in (entry.get("values") or {}).items()}
    known = {name: value for name, value in given.items() if value is not None}
    names = [score.name for score in evaluation.scores if score.name in known]
    values = {name: shown(known[name]) for name in dict.fromkeys([*names, *known])}
    why = [plain(one) for one in entry.get("why") or ()]
    name, main = plain(entry.get("name")), evaluation.main
    evaluation.triptychs.append(
        Triptych(name, why, values, sides, (main, known[main]) if main in known else None)
    )


def _inside(folder: Path, named: str) -> Figure | None:
    """A picture below the folder; one elsewhere is none of the evaluation's."""
    with suppress(OSError, ValueError):
        path = (folder / named).resolve()
        if path.is_relative_to(folder.resolve()):
            return read_figure(path)
    return None


def _histograms(file: Path) -> Iterator[Histogram]:
    columns: dict[str, list[float]] = {}
    with suppress(OSError, csv.Error, *FAULTS):
        with file.open(encoding="utf-8", errors="replace", newline="") as rows:
            for _, row in zip(range(MOST_ROWS), csv.DictReader(rows), strict=False):
                for name, text in row.items():
                    if name and name != "name" and isinstance(text, str):
                        _note(columns, name, text)
    for name, values in list(columns.items())[:MOST_METRICS]:
        if len(values) > 1:
            yield _histogram(plain(name), np.array(values))


def _note(columns: dict[str, list[float]], name: str, text: str) -> None:
    with suppress(ValueError):
        value = float(text)
        if abs(value) <= LARGEST:
            columns.setdefault(name, []).append(value)


def _histogram(name: str, values: Numbers) -> Histogram:
    low, high = float(values.min()), float(values.max())
    if low == high:
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    bins = min(BINS, max(5, round(len(values) ** 0.5)))
    counts, _ = np.histogram(values, bins, (low, high))
    return Histogram(name, tuple(int(count) for count in counts), low, high, float(values.mean()))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with suppress(OverflowError):
        return float(value) if math.isfinite(value) else None
    return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
