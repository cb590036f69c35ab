"""What a metric derives from that finds numbers in each image, or features of each."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

# How many pixels are measured at once: a metric may take ten times as much memory as its images. On
# a CPU it is fastest where that is in the cache; another device has fewer calls to wait for.
PIXELS, PIXELS_ON_CPU = 2**19, 2**16


class _RowMetric:
    """Finds a row of numbers in each image, and keeps the rows until their values are wanted."""

    higher_is_better: bool = True
    batched: bool = True
    needs_source: bool = False  # True: `rows(output, target, source)`
    truth_in_source: bool = False  # True: outputs are compared with it, not with the target
    of_pictures: bool = False  # True: is given RGB pictures as a person sees them, (N, 3, H, W)
    made_with: str = ""  # a sum over weights that it measures with: others make other numbers

    def rows(self, output: Tensor, target: Tensor) -> Tensor | None:
        """The rows (N, K), or (N) for numbers, of images (N, C, H, W) in [-1, 1] on one device.
        None where images of this size have none."""
        raise NotImplementedError

    def compared_with(self, target: Tensor) -> Tensor:
        """What of targets (N, C, H, W), or of sources with `truth_in_source`, the rows depend on.
        Two evaluations compare where it is equal in both."""
        return target

    def measured(self, *images: Tensor) -> Tensor | None:
        """The rows (N, K) of any number of images of one size: `rows`, some of them at a time."""
        first = images[0]
        most = PIXELS_ON_CPU if first.device.type == "cpu" else PIXELS
        some = max(most // (first.shape[-2] * first.shape[-1]), 1)
        found = [self.rows(*part) for part in zip(*(x.split(some) for x in images), strict=True)]
        rows = [part for part in found if part is not None]
        return torch.cat([part.reshape(len(part), -1) for part in rows]) if rows else None

    # --- the shape of torchmetrics, for whom it is one metric among others ---

    def __init__(self) -> None:
        self._rows: list[Tensor] = []

    def update(self, *images: Tensor) -> None:
        """Note the rows of images. They stay on the device until `compute`."""
        rows = self.measured(*images)
        if rows is not None:
            self._rows.append(rows)

    def compute(self) -> float | Mapping[str, float]:
        """The values of all images so far; NaN where no image has a row."""
        return self._found(torch.cat(self._rows).cpu().double()) if self._rows else math.nan

    def reset(self) -> None:
        self._rows = []

    def so_far(self) -> list[Tensor]:
        """The rows of all images so far, on the CPU: what another process passes to `with_rows`."""
        return [torch.cat(self._rows).cpu()] if self._rows else []

    def with_rows(self, rows: Sequence[Tensor]) -> None:
        """Have measured the images of these rows, and no others."""
        self._rows = list(rows)

    def _found(self, rows: Tensor) -> float | Mapping[str, float]:
        """The values of rows (n, K), n > 0."""
        raise NotImplementedError


class ImageMetric(_RowMetric):
    """A metric that finds a row of numbers in each image; its values are functions of the mean row.

    A mean over images is one (a row of one number), and so is a mean IoU (of counts of pixels), or
    the overlap of histograms. Whatever the order, the batches and the processes in which rows were
    found, the same values come of them: of one image, of all, and of resampled images, which is
    how `imtrans evaluate` knows their intervals.

    A metric overrides `rows`, and `values` where a row is not one number that is to be averaged.
    """

    def values(self, mean: Tensor) -> Tensor | Mapping[str, Tensor]:
        """The values of mean rows (..., K): a tensor (...), or several by their names. One of these
        has the name by which the metric is registered: by it the best checkpoint is chosen."""
        return mean[..., 0]

    def ceiling(self, mean: Tensor) -> Mapping[str, Tensor]:
        """What the targets themselves reach, by the names of the values; empty where that is known
        without measuring: 0 for a distance, 1 for a share."""
        return {}

    def _found(self, rows: Tensor) -> float | Mapping[str, float]:
        values = self.values(rows.mean(0))
        if isinstance(values, Mapping):
            return {name: _number(value) for name, value in values.items()}
        return _number(values)


class SetMetric(_RowMetric):
    """A metric that compares all outputs with all targets, and is no function of a mean row: a
    distance between two sets of features, as FID and KID are. No image has a value of its own.

    A metric overrides `rows`, which finds the features of outputs and of targets side by side, and
    `of_all`. Targets need not belong to the sources: it is measured on unpaired images too.
    """

    higher_is_better = False
    needs_target: bool = False
    of_pictures = True

    def of_all(self, rows: Tensor) -> float | Mapping[str, float]:
        """The value of all rows (n, K), float64 on the CPU, in whatever order; or several by their
        names, one of them the metric's own. NaN of too few."""
        raise NotImplementedError

    def interval(self, rows: Tensor, confidence: float) -> tuple[float, float] | None:
        """The bounds within which the value is, with this confidence (0 ... 1); None where rows
        cannot say."""
        return None

    def remark(self, count: int) -> str | None:
        """What a reader of the value of so many images should know; None if there is nothing."""
        return None

    def _found(self, rows: Tensor) -> float | Mapping[str, float]:
        return self.of_all(rows)


def _number(value: Tensor) -> float:
    number: float = value.reshape(1).tolist()[0]
    return number
