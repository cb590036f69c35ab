"""What metrics found in each of some images, and the values of all of them together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from imtrans.api.hookspecs import Metric
from imtrans.api.metric import ImageMetric, SetMetric
from imtrans.evaluation.contract import check_names
from imtrans.evaluation.intervals import CONFIDENCE, bounds, resampled_means

SENSES = {True: "higher is better", False: "lower is better", None: "neither is better"}
SAME = 1e-6  # relative: how far a metric's value may be from the mean of those of its images


@dataclass(frozen=True)
class Estimate:
    """A value of n images together, and how certain it is: within `low` and `high` with 95 %
    confidence, where that is known."""

    value: float
    n: int
    higher_is_better: bool | None  # None: neither is
    low: float | None = None
    high: float | None = None
    ceiling: float | None = None  # what the targets themselves reach


@dataclass(frozen=True)
class MetricColumn:
    """What a metric found in each image: rows (n, K), NaN where an image has none."""

    name: str
    metric: Metric
    rows: Tensor  # float32; whatever is computed of them is float64
    compared_with: Tensor  # (n), int64: a sum over what each output was compared with
    total: float | None = None  # what a third party's metric says of all images together,
    sizes: frozenset[tuple[int, int]] = frozenset()  # and of which sizes (px) these are

    @property
    def of_sets(self) -> bool:
        """Whether single images have no values: its value is that of all rows together."""
        return isinstance(self.metric, SetMetric)

    @property
    def higher_is_better(self) -> bool | None:
        """None: neither is."""
        found = self.metric.higher_is_better
        return None if found is None else bool(found)

    @cached_property
    def known(self) -> Tensor:
        """Which images have a row, (n) bool."""
        return self.rows.isfinite().all(1)

    @property
    def n(self) -> int:
        return int(self.known.sum())

    @property
    def mean(self) -> Tensor:
        """The mean row (K) of the images that have one, float64."""
        return self.rows[self.known].double().mean(0)

    @property
    def is_mean(self) -> bool:
        """Whether its values are functions of the mean row."""
        if self.of_sets or not self.n:
            return False
        if self.total is None:
            return True
        mean = float(self.mean)
        return abs(mean - self.total) <= SAME * max(abs(mean), 1.0)

    def check(self, count: int) -> None:
        """Raise ValueError, or what its metric raises, unless it is of so many images and its
        metric can make values of its rows."""
        if self.rows.dtype != torch.float32 or self.rows.dim() != 2 or len(self.rows) != count:
            raise ValueError(f"the rows of {self.name} are not those of {count} images")
        if self.compared_with.dtype != torch.int64 or self.compared_with.shape != (count,):
            raise ValueError(f"the sums of {self.name} are not those of {count} images")
        try:
            self.values(torch.zeros(1, self.rows.shape[1]).double())
        except RuntimeError as error:  # rows of another width
            raise ValueError(f"the rows of {self.name} are not of this metric") from error

    def of(self, images: Sequence[int]) -> "MetricColumn":
        """What it found in some of the images."""
        return replace(self, rows=self.rows[images], compared_with=self.compared_with[images])

    def of_each(self) -> dict[str, Tensor]:
        """The values of each image, (n), NaN where it has none; nothing for a metric of sets."""
        return {} if self.of_sets else self.values(self.rows.double())

    def values(self, means: Tensor) -> dict[str, Tensor]:
        """The values (...) of mean rows (..., K)."""
        if not isinstance(self.metric, ImageMetric):
            return {self.name: means[..., 0]}
        found = self.metric.values(means)
        if isinstance(found, Mapping):
            check_names(self.name, found)
            return dict(found)
        return {self.name: found}

    def of_means(self, resampled: Tensor) -> dict[str, Estimate]:
        """The values of all images, and their intervals, which come of resampled mean rows."""
        mean, drawn = self.mean, self.values(resampled)
        ceilings = self.metric.ceiling(mean) if isinstance(self.metric, ImageMetric) else {}
        higher, estimates = self.higher_is_better, {}
        for name, value in self.values(mean).items():
            low, high = bounds(float(value), drawn[name], self.n) or (None, None)
            ceiling = float(ceilings[name]) if name in ceilings else None
            estimates[name] = Estimate(float(value), self.n, higher, low, high, ceiling)
        return estimates

    def of_all(self) -> dict[str, Estimate]:
        """The values of all images where these are no functions of the mean row."""
        higher = self.higher_is_better
        if not isinstance(self.metric, SetMetric):
            total, n = self.total, len(self.rows)
            return {} if total is None else {self.name: Estimate(total, n, higher)}
        rows = self.rows[self.known].double()
        if not len(rows):
            return {}
        found, interval = self.metric.of_all(rows), self.metric.interval(rows, CONFIDENCE)
        values = found if isinstance(found, Mapping) else {self.name: found}
        bounds_ = {self.name: interval} if interval else {}
        return {
            name: Estimate(float(value), self.n, higher, *bounds_.get(name, ()))
            for name, value in values.items()
        }


def estimates(columns: Sequence[MetricColumn]) -> dict[str, Estimate]:
    """Every value of all images together, in the order of the columns."""
    means = [column for column in columns if column.is_mean]
    resampled = resampled_means([column.rows for column in means]) if means else []
    of_means = {id(column): drawn for column, drawn in zip(means, resampled, strict=True)}
    found: dict[str, Estimate] = {}
    for column in columns:
        drawn = of_means.get(id(column))
        found |= column.of_all() if drawn is None else column.of_means(drawn)
    return {name: one for name, one in found.items() if math.isfinite(one.value)}


def joined(parts: Sequence[MetricColumn]) -> MetricColumn:
    """The columns of some images and of others, as one: whoever has measured them."""
    first = parts[0]
    width = max(part.rows.shape[1] for part in parts)
    rows = torch.cat([_widened(part.rows, width) for part in parts])
    return MetricColumn(
        first.name, first.metric, rows, torch.cat([part.compared_with for part in parts])
    )


def _widened(rows: Tensor, width: int) -> Tensor:
    """Rows of which none is known have a width of one number, whatever others have."""
    if rows.shape[1] == width:
        return rows
    return torch.full((len(rows), width), math.nan)


def are_joinable(parts: Sequence[MetricColumn]) -> bool:
    """Whether the value of all images follows from the rows of these parts. A third party's metric
    shows it: its value is the mean in each part, also of images of several sizes where there are
    such, as others have a mean over pixels."""
    totals = [part for part in parts if part.total is not None and math.isfinite(part.total)]
    if not all(part.is_mean for part in totals):
        return False
    several = len(frozenset().union(*(part.sizes for part in totals))) > 1
    shown = [part.n > 1 and (len(part.sizes) > 1 or not several) for part in totals]
    return not totals or any(shown)
