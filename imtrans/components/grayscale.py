"""Photograph to grey, so that a generator learns grey to RGB.

Isola et al. 2017, section 4.1, colour in RGB instead of Lab: the fake is the whole photograph, so
the lightness of the source need not survive in it. `lab` is the paper's own choice.
"""

from random import Random

from torch import Tensor

from imtrans.hookspecs import Register, hookimpl


@hookimpl
def register_derivations(register: Register) -> None:
    register("grayscale", Grayscale)


class Grayscale:
    """The source is the Rec. 601 luma of the photograph (1, H, W), the target its RGB."""

    source_channels = 1
    target_channels = 3

    def derive(self, photo: Tensor, draw: Random) -> Tensor:
        return _luma(_photograph(photo))

    def target(self, photo: Tensor) -> Tensor:
        return _photograph(photo) * 2 - 1

    def given(self, picture: Tensor) -> Tensor:
        return _luma(_rgb(picture))

    def compose(self, fake: Tensor, source: Tensor) -> Tensor:
        return ((fake + 1) / 2).clamp(0, 1)


def _luma(photo: Tensor) -> Tensor:
    # kornia takes a moment to import, and only this task needs it.
    from kornia.color import rgb_to_grayscale

    # The three weights add up to a little more than 1 in float32.
    return (rgb_to_grayscale(photo) * 2 - 1).clamp(-1, 1)


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
