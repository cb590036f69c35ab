"""Grey to RGB: the source is the photograph in grey.

Isola et al. 2017, section 4.1, but in RGB instead of Lab: the output is the whole photograph, so it
need not keep the lightness of the source. `lab` is the paper's own choice.
"""

from random import Random

from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.photographs import photograph, rgb


@hookimpl
def register_derivations(register: Register) -> None:
    register("grayscale", Grayscale)


class Grayscale:
    """The source is the Rec. 601 luma of the photograph (1, H, W), the target its RGB."""

    source_channels = 1
    target_channels = 3
    by_pixel = True

    def derive(self, photo: Tensor, draw: Random) -> Tensor:
        return _luma(photograph(photo))

    def target(self, photo: Tensor) -> Tensor:
        return photograph(photo) * 2 - 1

    def given(self, picture: Tensor) -> Tensor:
        return _luma(rgb(picture))

    def compose(self, output: Tensor, source: Tensor) -> Tensor:
        return ((output + 1) / 2).clamp(0, 1)


def _luma(photo: Tensor) -> Tensor:
    # Imported late: kornia is slow to import, and only this derivation needs it.
    from kornia.color import rgb_to_grayscale

    # The three weights add up to a little more than 1 in float32.
    return (rgb_to_grayscale(photo) * 2 - 1).clamp(-1, 1)
