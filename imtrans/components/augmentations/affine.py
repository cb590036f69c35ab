"""Small random rotations, shifts and shears.

Simard et al., "Best Practices for Convolutional Neural Networks Applied to Visual Document
Analysis", ICDAR 2003, section 2.
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
    register("affine", Affine)


class Affine:
    """Rotates by up to `degrees`, shears by up to `shear` degrees, and shifts by up to `translate`,
    a share of the sides; each in both directions. The border is filled by reflection.
    """

    sides = "both"

    def __init__(
        self,
        *,
        degrees: Annotated[float, Field(ge=0, le=180)] = 5.0,
        translate: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        shear: Annotated[float, Field(ge=0, le=60)] = 0.0,
    ) -> None:
        self.degrees = degrees
        self.translate = translate
        self.shear = shear

    def __call__(self, image: Tensor, draw: Random, resample: str) -> Tensor:
        limits = (self.degrees, self.shear, self.translate, self.translate)
        degrees, shear, across, down = (draw.uniform(-limit, limit) for limit in limits)
        if not (degrees or shear or across or down):
            return image
        matrix = _matrix(image, math.radians(degrees), math.radians(shear), across, down)
        grid = affine_grid(matrix[None], [1, 1, *image.shape[1:]], align_corners=False)
        moved = grid_sample(
            image[None].contiguous(),
            grid.to(image.dtype),
            mode=resample,
            padding_mode="reflection",
            align_corners=False,
        )
        # The four weights of a bilinear sample may add up to a little more than 1.
        return moved[0].clamp(0, 1)


def _matrix(image: Tensor, turn: float, shear: float, across: float, down: float) -> Tensor:
    """From a position in the result to its position in the image, (2, 3), both from -1 to 1."""
    cos, sin, slope = math.cos(turn), math.sin(turn), math.tan(shear)
    # Coordinates from -1 to 1 make every image a square: the ratio keeps a rotation from shearing.
    ratio = image.shape[1] / image.shape[2]
    return torch.tensor(
        [
            [cos, (cos * slope - sin) * ratio, 2 * across],
            [sin / ratio, sin * slope + cos, 2 * down],
        ]
    )
