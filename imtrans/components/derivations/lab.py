"""Colourisation in CIE Lab: from lightness to colour.

Isola et al. 2017, sections 4.1 and 6.2, after Zhang et al., "Colorful Image Colorization", ECCV
2016. The composed photograph has the lightness of the source; the network adds the two colour
channels.
"""

from random import Random

import torch
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.photographs import photograph, rgb

AB_RANGE = 110.0  # the a and b of every sRGB colour are within +-108


@hookimpl
def register_derivations(register: Register) -> None:
    register("lab", Lab)


class Lab:
    """CIE Lab with D65: L / 50 - 1 is the source (1, H, W), (a, b) / 110 the target (2, H, W)."""

    source_channels = 1
    target_channels = 2
    by_pixel = True

    def derive(self, photo: Tensor, draw: Random) -> Tensor:
        return _lightness(photograph(photo))

    def target(self, photo: Tensor) -> Tensor:
        return _lab(photograph(photo))[1:] / AB_RANGE

    def given(self, picture: Tensor) -> Tensor:
        return _lightness(rgb(picture))

    def compose(self, output: Tensor, source: Tensor) -> Tensor:
        from kornia.color import lab_to_rgb

        # Lab has colours outside sRGB, which kornia clamps to [0, 1].
        return lab_to_rgb(torch.cat([(source + 1) * 50, output * AB_RANGE], dim=-3))


def _lightness(photo: Tensor) -> Tensor:
    # White is 100 up to rounding, which must not exceed the range.
    return (_lab(photo)[:1] / 50 - 1).clamp(-1, 1)


def _lab(photo: Tensor) -> Tensor:
    # Imported late: kornia is slow to import, and only this derivation needs it.
    from kornia.color import rgb_to_lab

    return rgb_to_lab(photo)
