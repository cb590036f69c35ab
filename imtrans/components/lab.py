"""Lightness to colour in CIE Lab: colourisation.

Isola et al. 2017, sections 4.1 and 6.2, after Zhang et al., "Colorful Image Colorization", ECCV
2016. The lightness of the result is that of the source; only its two colour channels are made up.
"""

from random import Random

import torch
from torch import Tensor

from imtrans.hookspecs import Register, hookimpl

AB_RANGE = 110.0  # the a and b of every sRGB colour are within +-108


@hookimpl
def register_derivations(register: Register) -> None:
    register("lab", Lab)


class Lab:
    """CIE Lab under D65: L / 50 - 1 is the source (1, H, W), (a, b) / 110 the target (2, H, W)."""

    source_channels = 1
    target_channels = 2

    def derive(self, photo: Tensor, draw: Random) -> Tensor:
        return _lightness(_photograph(photo))

    def target(self, photo: Tensor) -> Tensor:
        return _lab(_photograph(photo))[1:] / AB_RANGE

    def given(self, picture: Tensor) -> Tensor:
        return _lightness(_rgb(picture))

    def compose(self, fake: Tensor, source: Tensor) -> Tensor:
        from kornia.color import lab_to_rgb

        # Lab holds colours that no screen can show: kornia clamps them to [0, 1].
        return lab_to_rgb(torch.cat([(source + 1) * 50, fake * AB_RANGE], dim=-3))


def _lightness(photo: Tensor) -> Tensor:
    # White is 100 up to rounding, which must not lead out of the range.
    return (_lab(photo)[:1] / 50 - 1).clamp(-1, 1)


def _lab(photo: Tensor) -> Tensor:
    # kornia takes a moment to import, and only this task needs it.
    from kornia.color import rgb_to_lab

    return rgb_to_lab(photo)


def _photograph(photo: Tensor) -> Tensor:
    if photo.shape[0] != 3:
        raise ValueError(f"a photograph has 3 channels; this one has {photo.shape[0]}")
    return photo


def _rgb(picture: Tensor) -> Tensor:
    """Grey, RGB or RGBA as RGB; transparency is laid over white, as everywhere in imtrans."""
    if picture.shape[0] == 4:
        colour, alpha = picture[:3], picture[3:]
        return colour * alpha + (1 - alpha)
    if picture.shape[0] in (1, 3):
        return picture.expand(3, -1, -1)
    raise ValueError(f"a picture has 1, 3 or 4 channels; this one has {picture.shape[0]}")
