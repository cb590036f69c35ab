"""How near an output is to its target, pixel by pixel: means over images."""

import math
from collections.abc import Callable

from kornia.metrics import psnr, ssim
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl

WINDOW = 11  # px, of SSIM, with a sigma of 1.5: Wang et al. 2004
EQUAL = 100.0  # dB; the PSNR of equal images is infinite, which no mean and no JSON bears


@hookimpl
def register_metrics(register: Register) -> None:
    register("l1", L1Distance)
    register("psnr", PSNR)
    register("ssim", SSIM)


class MeanOverImages:
    """The mean of a number of each image; NaN where no image has one."""

    higher_is_better = True

    def __init__(self, measure: Callable[[Tensor, Tensor], float | None]) -> None:
        self._measure = measure
        self._sum, self._count = 0.0, 0

    def update(self, output: Tensor, target: Tensor) -> None:
        """Images (N, C, H, W) in [-1, 1]."""
        for index in range(len(output)):
            one = slice(index, index + 1)
            value = self._measure(output[one], target[one])
            if value is not None:
                self._sum, self._count = self._sum + value, self._count + 1

    def compute(self) -> float:
        return self._sum / self._count if self._count else math.nan

    def reset(self) -> None:
        self._sum, self._count = 0.0, 0


class L1Distance(MeanOverImages):
    """Mean absolute difference in the range [-1, 1], as the loss of this name."""

    higher_is_better = False

    def __init__(self) -> None:
        super().__init__(lambda output, target: (output - target).abs().mean().item())


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


def _psnr(output: Tensor, target: Tensor) -> float:
    noise = psnr(_unit(output), _unit(target), 1.0).item()
    return noise if math.isfinite(noise) and noise < EQUAL else EQUAL


def _ssim(output: Tensor, target: Tensor) -> float | None:
    if min(target.shape[-2:]) < WINDOW:
        return None
    return ssim(_unit(output), _unit(target), WINDOW, padding="valid").mean().item()


def _unit(image: Tensor) -> Tensor:
    return (image.clamp(-1, 1) + 1) / 2
