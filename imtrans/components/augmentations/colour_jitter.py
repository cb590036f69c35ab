"""Random brightness, contrast, saturation and hue: the same scene in different light.

Howard, "Some Improvements on Deep Convolutional Neural Network Based Image Classification", 2013;
the factors are those of torchvision's ColorJitter, in a fixed order.
"""

import math
from random import Random
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl

Strength = Annotated[float, Field(ge=0, le=1)]


@hookimpl
def register_augmentations(register: Register) -> None:
    register("colour_jitter", ColourJitter)


class ColourJitter:
    """Multiplies brightness, contrast and saturation by 1 - strength to 1 + strength, and rotates
    the hue by up to `hue` of a full circle in both directions. The target keeps its colours.

    Saturation and hue exist in RGB only: of an image that does not have 3 channels, only brightness
    and contrast change. Labels (`nearest`) are unchanged, since their values are not amounts.
    """

    sides = "source"

    def __init__(
        self,
        *,
        brightness: Strength = 0.2,
        contrast: Strength = 0.2,
        saturation: Strength = 0.2,
        hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0,
    ) -> None:
        self.strengths = (brightness, contrast, saturation)
        self.hue = hue

    def __call__(self, image: Tensor, draw: Random, resample: str) -> Tensor:
        # All are drawn for every image, so that later draws do not depend on the image.
        brightness, contrast, saturation = (draw.uniform(1 - s, 1 + s) for s in self.strengths)
        turn = draw.uniform(-self.hue, self.hue)
        if resample == "nearest":
            return image
        image = _blend(image, torch.zeros(()), brightness)
        image = _blend(image, image.mean(), contrast)
        if image.shape[0] == 3:
            image = _turn_hue(_saturate(image, saturation), turn)
        return image


def _blend(image: Tensor, ground: Tensor, factor: float) -> Tensor:
    """Blend away from `ground` (factor above 1) or towards it, within [0, 1]; 1: unchanged."""
    if factor == 1:
        return image
    return (image * factor + ground * (1 - factor)).clamp(0, 1)


def _saturate(image: Tensor, factor: float) -> Tensor:
    # Imported late: kornia is slow to import.
    from kornia.color import rgb_to_grayscale

    return _blend(image, rgb_to_grayscale(image), factor)


def _turn_hue(image: Tensor, turn: float) -> Tensor:
    if turn == 0:
        return image
    from kornia.color import hsv_to_rgb, rgb_to_hsv

    hue, saturation, value = rgb_to_hsv(image)
    hue = (hue + turn * 2 * math.pi) % (2 * math.pi)
    return hsv_to_rgb(torch.stack([hue, saturation, value])).clamp(0, 1)
