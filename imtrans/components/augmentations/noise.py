"""Gaussian noise on the source, for sources that will come from a worse camera or scanner.

Sietsma and Dow, "Creating artificial neural networks that generalize", Neural Networks 1991.
"""

from random import Random
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl


@hookimpl
def register_augmentations(register: Register) -> None:
    register("noise", GaussianNoise)


class GaussianNoise:
    """Adds N(0, sigma) to every value of the source, independently; the target stays clean.

    `sigma` is in units of the full range: 0.02 is 5 of 255 grey levels. Labels (`nearest`) are
    unchanged, since their values are not amounts.
    """

    sides = "source"

    def __init__(self, *, sigma: Annotated[float, Field(ge=0, le=1)] = 0.02) -> None:
        self.sigma = sigma

    def __call__(self, image: Tensor, draw: Random, resample: str) -> Tensor:
        generator = torch.Generator().manual_seed(draw.getrandbits(63))
        if self.sigma == 0 or resample == "nearest":
            return image
        noise = torch.randn(image.shape, generator=generator)
        return (image + self.sigma * noise.to(image.dtype)).clamp(0, 1)
