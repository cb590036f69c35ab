"""Lightness to colour in CIE Lab: colourisation.

Isola et al. 2017, sections 4.1 and 6.2, after Zhang et al., "Colorful Image Colorization", ECCV
2016. The lightness of the result is that of the source; only its two colour channels are made up.
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
    """CIE Lab under D65: L / 50 - 1 is the source (1, H, W), (a, b) / 110 the target (2, H, W)."""

    source_channels = 1
    target_channels = 2

    def derive(self, photo: Tensor, draw: Random) -> Tensor:
        return _lightness(photograph(photo))

    def target(self, photo: Tensor) -> Tensor:
        return _lab(photograph(photo))[1:] / AB_RANGE

    def given(self, picture: Tensor) -> Tensor:
        return _lightness(rgb(picture))

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
