"""Elastic distortion: every pixel moves a little, and neighbouring pixels move together.

Simard et al., "Best Practices for Convolutional Neural Networks Applied to Visual Document
Analysis", ICDAR 2003, section 2; for images of cells and tissue in Ronneberger et al. 2015 (U-Net).
"""

import math
from random import Random
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from imtrans.api.hookspecs import Register, hookimpl


@hookimpl
def register_augmentations(register: Register) -> None:
    register("elastic", Elastic)


class Elastic:
    """Moves pixels by a smooth random field, `alpha` pixels along each axis (root mean square).

    `sigma` is the smoothness in pixels; with alpha above a third of it the image folds over itself
    in places. The border is filled by reflection.
    """

    sides = "both"

    def __init__(
        self,
        *,
        alpha: Annotated[float, Field(ge=0)] = 4.0,
        sigma: Annotated[float, Field(ge=1)] = 12.0,
    ) -> None:
        self.alpha = alpha
        self.sigma = sigma

    def __call__(self, image: Tensor, draw: Random, resample: str) -> Tensor:
        generator = torch.Generator().manual_seed(draw.getrandbits(63))
        if self.alpha == 0:
            return image
        height, width = image.shape[1:]
        field = self.alpha * _smooth_noise(height, width, self.sigma, generator)
        # From pixels to the coordinates of grid_sample, which go from -1 to 1.
        shift = (field / torch.tensor([width / 2, height / 2]).view(2, 1, 1)).permute(1, 2, 0)
        rest = affine_grid(torch.eye(2, 3)[None], [1, 1, height, width], align_corners=False)
        moved = grid_sample(
            image[None].contiguous(),
            (rest + shift).to(image.dtype),
            mode=resample,
            padding_mode="reflection",
            align_corners=False,
        )
        # The four weights of a bilinear sample may add up to a little more than 1.
        return moved[0].clamp(0, 1)


def _smooth_noise(height: int, width: int, sigma: float, generator: torch.Generator) -> Tensor:
    """Gaussian noise (2, H, W) of unit variance, correlated over `sigma` pixels."""
    # Imported late: kornia is slow to import, and only this augmentation needs it.
    from kornia.filters import gaussian_blur2d

    # With a margin as wide as the kernel, the field is as random at its edges as in its middle.
    margin = math.ceil(3 * sigma)
    noise = torch.randn(1, 2, height + 2 * margin, width + 2 * margin, generator=generator)
    kernel = (2 * margin + 1,) * 2
    smooth = gaussian_blur2d(noise, kernel, (sigma, sigma), border_type="constant")
    # Averaging leaves a variance of 1 / (4 pi sigma^2).
    inner = smooth[0, :, margin : margin + height, margin : margin + width]
    return inner * (2 * math.sqrt(math.pi) * sigma)
