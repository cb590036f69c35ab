"""How near an output is to its target, pixel by pixel: means over images."""

import math
from collections.abc import Callable

import torch
from kornia.metrics import ssim
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl

WINDOW = 11  # px, of SSIM, with a sigma of 1.5: Wang et al. 2004
EQUAL = 100.0  # dB; the PSNR of equal images is infinite, which no mean and no JSON bears
# That are measured at once: SSIM takes about ten times as much memory as its images. On a CPU it is
# fastest where that is in the cache; another device has fewer calls to wait for.
PIXELS, PIXELS_ON_CPU = 2**19, 2**16


@hookimpl
def register_metrics(register: Register) -> None:
    register("l1", L1Distance)
    register("psnr", PSNR)
    register("ssim", SSIM)


class MeanOverImages:
    """The mean of a number of each image; NaN where no image has one.

    `measure` takes images (N, C, H, W) and gives their numbers (N), or None where images of this
    size have none. Numbers stay on the device until `compute`.
    """

    higher_is_better = True
    batched = True

    def __init__(self, measure: Callable[[Tensor, Tensor], Tensor | None]) -> None:
        self._measure = measure
        self._values: list[Tensor] = []

    def update(self, output: Tensor, target: Tensor) -> None:
        """Images (N, C, H, W) in [-1, 1]."""
        most = PIXELS_ON_CPU if target.device.type == "cpu" else PIXELS
        some = max(most // (target.shape[-2] * target.shape[-1]), 1)
        for sides in zip(output.split(some), target.split(some), strict=True):
            values = self._measure(*sides)
            if values is not None:
                self._values.append(values)

    def compute(self) -> float:
        if not self._values:
            return math.nan
        values: list[float] = torch.cat(self._values).tolist()
        return sum(values) / len(values)

    def reset(self) -> None:
        self._values = []


class L1Distance(MeanOverImages):
    """Mean absolute difference in the range [-1, 1], as the loss of this name."""

    higher_is_better = False

    def __init__(self) -> None:
        super().__init__(lambda output, target: _of_each((output - target).abs()))


class PSNR(MeanOverImages):
    """Peak signal-to-noise ratio (dB, at most 100), of images brought to [0, 1]."""

    def __init__(self) -> None:
        super().__init__(_psnr)


class SSIM(MeanOverImages):
    """Structural similarity (at most 1), of images brought to [0, 1].

    The mean over the positions where its 11 px window fits into the image (Wang et al. 2004);
    smaller images have none.
    """

    def __init__(self) -> None:
        super().__init__(_ssim)


def _psnr(output: Tensor, target: Tensor) -> Tensor:
    noise = _of_each((_unit(output) - _unit(target)) ** 2)
    return (10 * torch.log10(1 / noise)).clamp(max=EQUAL)


def _ssim(output: Tensor, target: Tensor) -> Tensor | None:
    if min(target.shape[-2:]) < WINDOW:
        return None
    return _of_each(ssim(_unit(output), _unit(target), WINDOW, padding="valid"))


def _of_each(values: Tensor) -> Tensor:
    """The mean of each image: (N) of (N, C, H, W)."""
    return values.flatten(1).mean(1)


def _unit(image: Tensor) -> Tensor:
    return (image.clamp(-1, 1) + 1) / 2
