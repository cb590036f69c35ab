"""Rotations by 90 degrees, for pictures without an upright position: aerial, microscopic."""

from random import Random
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl


@hookimpl
def register_augmentations(register: Register) -> None:
    register("rot90", Rot90)


class Rot90:
    """Rotates counter-clockwise by 90 degrees times a number out of `turns`; nothing is resampled.

    An image that is not square keeps its size only with 0 and 2. Raises ValueError for such an
    image if `turns` has neither.
    """

    sides = "both"

    def __init__(
        self,
        *,
        turns: Annotated[tuple[Literal[0, 1, 2, 3], ...], Field(min_length=1)] = (0, 1, 2, 3),
    ) -> None:
        self.turns = turns

    def __call__(self, image: Tensor, draw: Random, resample: str) -> Tensor:
        height, width = image.shape[1:]
        turns = [turn for turn in self.turns if height == width or turn % 2 == 0]
        if not turns:
            raise ValueError(
                f"turns = {list(self.turns)} would change the size of an image of "
                f"{width} x {height}. add 0 or 2, or use square images"
            )
        return torch.rot90(image, draw.choice(turns), dims=(1, 2)).contiguous()
