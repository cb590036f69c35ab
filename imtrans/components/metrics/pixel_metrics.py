"""How near a fake is to its target."""

import math

from kornia.metrics import psnr, ssim
from torch import Tensor

WINDOW = 11  # px, of SSIM, with a sigma of 1.5: Wang et al. 2004
EQUAL = 100.0  # dB; the PSNR of equal images is infinite, which no mean and no JSON bears

# Which way is better.
HIGHER_IS_BETTER = {"l1": False, "psnr": True, "ssim": True}


def measure(fake: Tensor, target: Tensor) -> dict[str, float]:
    """L1, PSNR and SSIM of one fake and its target, (1, C, H, W) in [-1, 1].

    `l1` is the mean absolute difference in that range, as the loss of this name; `psnr` (dB, at
    most 100) and `ssim` (at most 1) are taken in [0, 1]. SSIM is the mean over the positions where
    its 11 px window lies within the image (Wang et al. 2004); without such there is none.
    """
    found = {"l1": (fake - target).abs().mean().item()}
    fake, target = ((image.clamp(-1, 1) + 1) / 2 for image in (fake, target))
    noise = psnr(fake, target, 1.0).item()
    found["psnr"] = noise if math.isfinite(noise) and noise < EQUAL else EQUAL
    if min(target.shape[-2:]) >= WINDOW:
        found["ssim"] = ssim(fake, target, WINDOW, padding="valid").mean().item()
    return found


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric over images. Needs one image at least."""
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
