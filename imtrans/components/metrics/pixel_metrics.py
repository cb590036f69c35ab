"""How near an output is to its target, pixel by pixel: means over images."""

import torch
from kornia.metrics import ssim
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.metric import ImageMetric

WINDOW = 11  # px, of SSIM, with a sigma of 1.5: Wang et al. 2004
EQUAL = 100.0  # dB; the PSNR of equal images is infinite, which no mean and no JSON bears


@hookimpl
def register_metrics(register: Register) -> None:
    register("l1", L1Distance)
    register("psnr", PSNR)
    register("ssim", SSIM)


class L1Distance(ImageMetric):
    """Mean absolute difference in the range [-1, 1], as the loss of this name."""

    higher_is_better = False

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        return _of_each((output - target).abs())


class PSNR(ImageMetric):
    """Peak signal-to-noise ratio (dB, at most 100), of images brought to [0, 1]."""

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        noise = _of_each((_unit(output) - _unit(target)) ** 2)
        return (10 * torch.log10(1 / noise)).clamp(max=EQUAL)


class SSIM(ImageMetric):
    """Structural similarity (at most 1), of images brought to [0, 1].

    The mean over the positions where its 11 px window fits into the image (Wang et al. 2004);
    smaller images have none.
    """

    def rows(self, output: Tensor, target: Tensor) -> Tensor | None:
        if min(target.shape[-2:]) < WINDOW:
            return None
        return _of_each(ssim(_unit(output), _unit(target), WINDOW, padding="valid"))


def _of_each(values: Tensor) -> Tensor:
    """The mean of each image: (N) of (N, C, H, W)."""
    return values.flatten(1).mean(1)


def _unit(image: Tensor) -> Tensor:
    return (image.clamp(-1, 1) + 1) / 2
