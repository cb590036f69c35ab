"""Quarter turns, for pictures that have no up: from above, under a microscope."""

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
    """A number of quarter turns, counter-clockwise, out of `turns`; no pixel is resampled.

    An image that is not square keeps its size only under 0 and 2. Raises ValueError for one when
    `turns` has neither.
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
                f"turns are {list(self.turns)}, under none of which an image of {width} x {height} "
                "keeps its size. add 0 or 2, or use square images"
            )
        return torch.rot90(image, draw.choice(turns), dims=(1, 2)).contiguous()
