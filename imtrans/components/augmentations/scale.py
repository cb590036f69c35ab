"""A random zoom: a part of the image, enlarged to the size of the whole image.

The scale jitter of Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural
Networks", 2012, and later work; pix2pix itself jitters the position only.
"""

import math
from random import Random
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate

from imtrans.api.hookspecs import Register, hookimpl

Zoom = Annotated[float, Field(ge=1)]


@hookimpl
def register_augmentations(register: Register) -> None:
    register("scale", Scale)


class Scale:
    """Enlarges a random box of 1 / zoom of each side; zoom is between `low` and `high`.

    Raises ValueError for low > high.
    """

    sides = "both"

    def __init__(self, *, low: Zoom = 1.0, high: Zoom = 1.3) -> None:
        if low > high:
            raise ValueError(f"low = {low} is above high = {high}")
        self.low = low
        self.high = high

    def __call__(self, image: Tensor, draw: Random, resample: str) -> Tensor:
        # Uniform in the logarithm: from 1 to 2 is as far as from 2 to 4.
        zoom = math.exp(draw.uniform(math.log(self.low), math.log(self.high)))
        height, width = image.shape[1:]
        tall, wide = max(1, round(height / zoom)), max(1, round(width / zoom))
        top, left = draw.randint(0, height - tall), draw.randint(0, width - wide)
        if (tall, wide) == (height, width):
            return image
        box = image[None, :, top : top + tall, left : left + wide].contiguous()
        if resample == "nearest":
            # Not torch's `nearest`, which is shifted by half a pixel against `bilinear`.
            return interpolate(box, (height, width), mode="nearest-exact")[0]
        return interpolate(box, (height, width), mode="bilinear")[0].clamp(0, 1)
