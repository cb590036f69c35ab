"""Metrics at work: what each finds in images that come in any order, kept by the image."""

import copy
import math
import zlib
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from imtrans.api.hookspecs import Metric
from imtrans.api.metric import ImageMetric, SetMetric
from imtrans.evaluation.columns import MetricColumn
from imtrans.evaluation.contract import checked_rows, naming_faults, values_of
from imtrans.evaluation.seen import SeenImages, update


class Collector:
    """Metrics, and what they have found so far. Numbers are brought to the CPU."""

    def __init__(self, metrics: Mapping[str, Metric], device: torch.device) -> None:
        self._each = [_collecting(name, _on(metric, device)) for name, metric in metrics.items()]

    def add(self, images: Sequence[int], seen: SeenImages) -> None:
        """Measure images, which are of these numbers."""
        sums = _Sums()
        for each in self._each:
            with naming_faults(each.name):
                each.add(images, seen, sums)

    def columns(self, count: int) -> dict[str, MetricColumn]:
        """What each metric found in the images of the numbers 0 ... count - 1."""
        return {each.name: each.column(count) for each in self._each}


class _OfRows:
    """Of a metric that gives rows itself."""

    def __init__(self, name: str, metric: Metric) -> None:
        self.name, self.metric = name, metric
        self.rows: dict[int, Tensor] = {}
        self.width: int | None = None  # of a row
        self.sums: dict[int, int] = {}

    def add(self, images: Sequence[int], seen: SeenImages, sums: "_Sums") -> None:
        given = seen.of(self.metric)
        rows = self._rows(given)
        if rows is not None:
            found = checked_rows(self.name, rows, images, self.width)
            self.width = found.shape[1]
            self.rows.update(zip(images, found.unbind(), strict=True))
        compared = given[2 if getattr(self.metric, "truth_in_source", False) else 1]
        if isinstance(self.metric, ImageMetric | SetMetric):
            compared = self.metric.compared_with(compared)
        self.sums.update(zip(images, sums.of(compared), strict=True))

    def _rows(self, given: Sequence[Tensor]) -> Tensor | None:
        rows: Tensor | None = self.metric.measured(*given)  # type: ignore[attr-defined]
        return rows

    def column(self, count: int) -> MetricColumn:
        none = torch.full((self.width or 1,), math.nan)
        rows = torch.stack([self.rows.get(index, none) for index in range(count)])
        sums = torch.tensor([self.sums.get(index, 0) for index in range(count)])
        return MetricColumn(self.name, self.metric, rows, sums, self._total(), self._sizes())

    def _total(self) -> float | None:
        return None

    def _sizes(self) -> frozenset[tuple[int, int]]:
        return frozenset()


class _Foreign(_OfRows):
    """Of a metric that says only what all images have together: another of its kind is asked for
    each image alone."""

    def __init__(self, name: str, metric: Metric) -> None:
        super().__init__(name, metric)
        self._alone = copy.deepcopy(metric)
        self._seen: set[tuple[int, int]] = set()
        for each in (metric, self._alone):
            each.reset()

    def add(self, images: Sequence[int], seen: SeenImages, sums: "_Sums") -> None:
        update(self.metric, seen)
        self._seen.add((seen.output.shape[-2], seen.output.shape[-1]))
        super().add(images, seen, sums)

    def _rows(self, given: Sequence[Tensor]) -> Tensor | None:
        if not getattr(self.metric, "needs_target", True):
            return None  # it looks at all images together
        return torch.tensor([self._value(part) for part in zip(*given, strict=True)])[:, None]

    def _value(self, images: Sequence[Tensor]) -> float:
        try:
            self._alone.reset()
            self._alone.update(*(image[None] for image in images))
            return values_of(self.name, self._alone)[self.name]
        except (ArithmeticError, RuntimeError, ValueError):  # one image alone has no value
            return math.nan

    def _total(self) -> float | None:
        return values_of(self.name, self.metric)[self.name]

    def _sizes(self) -> frozenset[tuple[int, int]]:
        return frozenset(self._seen)


def _collecting(name: str, metric: Metric) -> _OfRows:
    gives_rows = isinstance(metric, ImageMetric | SetMetric)
    return _OfRows(name, metric) if gives_rows else _Foreign(name, metric)


def _on(metric: Metric, device: torch.device) -> Metric:
    return metric.to(device) if isinstance(metric, nn.Module) else metric


class _Sums:
    """Sums over tensors, computed once for those that several metrics were given."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Tensor, list[int]]] = {}  # the tensor: an id is used again

    def of(self, images: Tensor) -> list[int]:
        if id(images) not in self._known:
            self._known[id(images)] = images, [_sum(image) for image in images]
        return self._known[id(images)][1]


def _sum(image: Tensor) -> int:
    """A sum over an image; one of floats is rounded, so that devices agree."""
    if image.is_floating_point():
        image = (image.float() * 8191).round().to(torch.int16)
    shape = zlib.crc32(str(tuple(image.shape)).encode())
    return zlib.crc32(image.contiguous().cpu().numpy().tobytes(), shape)
