"""Super-resolution: the source is the photograph, reduced and enlarged again.

Pairs as in Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
Adversarial Network" (SRGAN), CVPR 2017: bicubic, by 4. SRGAN's generator enlarges; a pix2pix
generator keeps the size, so the source is enlarged beforehand, as in Dong et al. (SRCNN), 2014.
"""

from random import Random
from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn.functional import interpolate

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.photographs import photograph, rgb


@hookimpl
def register_derivations(register: Register) -> None:
    register("downscale", Downscale)


class Downscale:
    """The source is the photograph, reduced by `factor` and enlarged again bicubically, RGB.

    Raises ValueError for a photograph whose sides are not multiples of `factor`. In translation
    the input is small already: its source, and the output, are `factor` times larger.
    """

    source_channels = 3
    target_channels = 3
    pixel_by_pixel = True  # the factor is what was learned: an input is never resized before

    def __init__(self, *, factor: Annotated[int, Field(ge=2)] = 4) -> None:
        self.factor = factor

    def derive(self, photo: Tensor, draw: Random) -> Tensor:
        return self._enlarged(self._small(photograph(photo)))

    def target(self, photo: Tensor) -> Tensor:
        return photograph(photo) * 2 - 1

    def given(self, picture: Tensor) -> Tensor:
        return self._enlarged(rgb(picture))

    def compose(self, output: Tensor, source: Tensor) -> Tensor:
        return ((output + 1) / 2).clamp(0, 1)

    def _small(self, photo: Tensor) -> Tensor:
        height, width = photo.shape[1:]
        if height % self.factor or width % self.factor:
            raise ValueError(
                f"downscale by {self.factor} needs sizes that are multiples of {self.factor}; "
                f"the image is {width} x {height}"
            )
        return _bicubic(photo, (height // self.factor, width // self.factor))

    def _enlarged(self, small: Tensor) -> Tensor:
        height, width = small.shape[1:]
        return _bicubic(small, (height * self.factor, width * self.factor)) * 2 - 1


def _bicubic(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize with antialiasing (it has an effect only when reducing); clamped, since bicubic
    interpolation overshoots at edges."""
    return interpolate(image[None], size, mode="bicubic", antialias=True)[0].clamp(0, 1)
