"""Evaluations of the same images, compared: paired differences, and how certain they are.

A difference has two sources of chance. Other images would give another: it is computed again for
bootstrap resamples of the images (see `intervals`), the same for both sides. Another seed would
give another: where a side has several seeds, the variance of their values is added; one with a
single seed is taken to vary as the other. Of both the interval is Student's t, with the degrees of
freedom of Satterthwaite 1946.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError, some
from imtrans.evaluation.columns import MetricColumn
from imtrans.evaluation.files import Evaluated
from imtrans.evaluation.intervals import CONFIDENCE, quantile_of_t, resampled_means
from imtrans.host.words import counted

FEWEST = 2  # images
WIDEST, CELLS = 4096, 2**26  # of rows that are resampled together: columns, and numbers


@dataclass(frozen=True)
class ComparedSide:
    """What is compared: a run, or several that differ by their seed alone."""

    name: str
    evaluations: Sequence[Evaluated]

    @property
    def seeds(self) -> int:
        return len(self.evaluations)


@dataclass(frozen=True)
class PairedDifference:
    """How much a side's value is above that of the first side, on the same images."""

    value: float
    n: int  # images
    higher_is_better: bool | None  # None: neither is
    low: float | None = None
    high: float | None = None

    @property
    def better(self) -> bool | None:
        """Whether the side is better than the first; None where the interval does not tell, or
        where neither more nor less is better."""
        if self.above is None or self.higher_is_better is None:
            return None
        return self.above == self.higher_is_better

    @property
    def above(self) -> bool | None:
        """Whether the side's value is above that of the first; None where the interval does not
        tell."""
        if self.low is None or self.high is None or self.low <= 0 <= self.high:
            return None
        return self.value > 0


@dataclass(frozen=True)
class Comparison:
    """Sides, the values of each on the images that all have, and differences from the first."""

    sides: Sequence[ComparedSide]
    images: Sequence[str]
    left_out: int  # images that some evaluation lacks
    other_targets: int  # images that were compared with other targets, by some metric
    not_compared: Sequence[str]  # metrics that not all have, or that were measured otherwise
    values: Mapping[str, Sequence[float]]  # of each side, by the name of the value
    differences: Mapping[str, Sequence[PairedDifference]]  # of each side but the first


def compared(sides: Sequence[ComparedSide]) -> Comparison:
    """The comparison of two sides or more. Raises ImtransError where they have no images, or no
    metric, in common."""
    tables = [evaluation.table for side in sides for evaluation in side.evaluations]
    shared = set.intersection(*(set(table.names) for table in tables))
    names = [name for name in tables[0].names if name in shared]
    if len(names) < FEWEST:
        raise ImtransError(
            f"these evaluations have {counted(len(names), 'image')} in common, of "
            f"{some(tables[0].names, 2)} | {some(tables[-1].names, 2)}; compare those of one split "
            "that has two or more"
        )
    most = max(len(table.names) for table in tables)
    known = dict.fromkeys(name for table in tables for name in table.columns)
    found = [_Metric(name, sides, names) for name in known]
    metrics = [metric for metric in found if metric.is_in_all and metric.n >= FEWEST]
    if not metrics:
        raise ImtransError(
            "these evaluations have no metric in common that was measured in the same way, against "
            "the same targets"
        )
    values: dict[str, Sequence[float]] = {}
    differences: dict[str, Sequence[PairedDifference]] = {}
    for metric in metrics:
        for name, of_sides, others in metric.results():
            values[name], differences[name] = of_sides, others
    other = max(metric.others for metric in found if metric.is_in_all)
    rest = [metric.name for metric in found if metric not in metrics]
    return Comparison(sides, names, most - len(names), other, rest, values, differences)


class _Metric:
    """One metric of all sides, on the images that each has measured against the same target."""

    def __init__(self, name: str, sides: Sequence[ComparedSide], images: Sequence[str]) -> None:
        self.name, self.images = name, images
        self.of_sides = [
            [one.table.columns[name].of(_places(one, images)) for one in side.evaluations]
            if all(name in one.table.columns for one in side.evaluations)
            else []
            for side in sides
        ]

        self._ways = {
            json.dumps([one.facts[fact].get(name) for fact in ("components", "made_with")])
            for side in sides
            for one in side.evaluations
        }

    @property
    def is_in_all(self) -> bool:
        """Whether all sides have it, measured in the same way."""
        return all(self.of_sides) and len(self._ways) == 1

    @cached_property
    def _columns(self) -> list[MetricColumn]:
        return [column for columns in self.of_sides for column in columns]

    @cached_property
    def _same(self) -> Tensor:
        """Which images were compared with the same target everywhere, (n) bool."""
        sums = torch.stack([column.compared_with for column in self._columns])
        return (sums == sums[0]).all(0)

    @cached_property
    def _kept(self) -> list[int]:
        known = torch.stack([column.known for column in self._columns]).all(0)
        kept: list[int] = (self._same & known).nonzero()[:, 0].tolist()
        return kept

    @property
    def n(self) -> int:
        return len(self._kept)

    @property
    def others(self) -> int:
        """How many images were compared with other targets."""
        return int((~self._same).sum())

    def results(self) -> Iterator[tuple[str, list[float], list[PairedDifference]]]:
        """Each value by its name: that of each side, and the differences from the first side."""
        columns = [column.of(self._kept) for column in self._columns]
        whole = [column.values(column.mean) for column in columns]
        resampled = [
            column.values(means)
            for batch in _batches(columns)
            for column, means in zip(
                batch, resampled_means([column.rows for column in batch]), strict=True
            )
        ]
        higher = columns[0].higher_is_better
        for name in whole[0]:
            sides = list(self._by_side(name, whole, resampled))
            first, others = sides[0], sides[1:]
            usual = _pooled(sides)
            differences = [_difference(first, other, self.n, higher, usual) for other in others]
            yield name, [side.value for side in sides], differences

    def _by_side(
        self,
        name: str,
        whole: Sequence[Mapping[str, Tensor]],
        resampled: Sequence[Mapping[str, Tensor]],
    ) -> Iterator["_Values"]:
        at = 0
        for columns in self.of_sides:
            runs = slice(at, at + len(columns))
            at += len(columns)
            yield _Values(
                [float(values[name]) for values in whole[runs]],
                torch.stack([values[name] for values in resampled[runs]]).mean(0),
            )


def _batches(columns: Sequence[MetricColumn]) -> Iterator[Sequence[MetricColumn]]:
    """Columns that are resampled together, as drawing takes time; not all of many sides, as rows of
    histograms are wide."""
    width = columns[0].rows.shape[1]
    some = max(min(WIDEST // width, CELLS // columns[0].rows.numel()), 1)
    yield from (columns[at : at + some] for at in range(0, len(columns), some))


@dataclass(frozen=True)
class _Values:
    """A value of each seed of a side, and their mean on resampled images."""

    of_seeds: Sequence[float]
    resampled: Tensor

    @property
    def value(self) -> float:
        return sum(self.of_seeds) / len(self.of_seeds)

    @property
    def squares(self) -> float:
        """How far the seeds are from their mean."""
        return sum((one - self.value) ** 2 for one in self.of_seeds)


Variance = tuple[float, int]  # and its degrees of freedom


def _pooled(sides: Sequence[_Values]) -> Variance | None:
    """Of one seed, from all sides that have several; None where none has."""
    free = sum(len(side.of_seeds) - 1 for side in sides)
    return (sum(side.squares for side in sides) / free, free) if free else None


def _difference(
    first: _Values, other: _Values, n: int, higher: bool | None, usual: Variance | None
) -> PairedDifference:
    parts = [(float((other.resampled - first.resampled).var()) * n / (n - 1), n - 1)]
    parts += _of_seeds([first, other], usual)
    variance = sum(part for part, _ in parts)
    value = other.value - first.value
    if variance == 0:
        return PairedDifference(value, n, higher, value, value)
    freedom = variance**2 / sum(part**2 / free for part, free in parts)
    reach = quantile_of_t((1 + CONFIDENCE) / 2, freedom) * math.sqrt(variance)
    return PairedDifference(value, n, higher, value - reach, value + reach)


def _of_seeds(sides: Sequence[_Values], usual: Variance | None) -> list[Variance]:
    """The variances of the means over the seeds of two sides. Where one has a single seed, both
    have that of all sides."""
    counts = [len(side.of_seeds) for side in sides]
    if usual is None:
        return []
    if min(counts) == 1:
        return [(usual[0] * sum(1 / k for k in counts), usual[1])]
    return [(side.squares / (k - 1) / k, k - 1) for side, k in zip(sides, counts, strict=True)]


def _places(evaluation: Evaluated, images: Sequence[str]) -> list[int]:
    number = {name: index for index, name in enumerate(evaluation.table.names)}
    return [number[name] for name in images]
