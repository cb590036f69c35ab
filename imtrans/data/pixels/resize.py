"""Stored pixels at another size: 8-bit images through Pillow, everything else through torch."""

from fractions import Fraction
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from imtrans.data.pixels.images import to_image, to_tensor


class Window(NamedTuple):
    """A part of an image, in px of its new size."""

    left: int
    top: int
    width: int
    height: int

    def of(self, pixels: Tensor) -> Tensor:
        """The part of (C, H, W) that it covers, contiguous."""
        rows = slice(self.top, self.top + self.height)
        return pixels[:, rows, self.left : self.left + self.width].contiguous()


def resize(
    pixels: Tensor, height: int, width: int, resample: str, window: Window | None = None
) -> Tensor:
    """(C, h, w) to (C, height, width), of the same dtype, or to a window of that: the very pixels
    that a cut afterwards would give. Smaller sizes are filtered, not sampled, except with
    `nearest`, which invents no value."""
    window = window or Window(0, 0, width, height)
    if pixels.shape[-2:] == (height, width):
        return window.of(pixels)
    if pixels.dtype == torch.uint8 and len(pixels) in (1, 3):
        return _with_pillow(pixels, height, width, resample, window)
    if resample == "nearest":
        rows, columns = _nearest(pixels.shape[-2], height), _nearest(pixels.shape[-1], width)
        rows = rows[window.top : window.top + window.height]
        columns = columns[window.left : window.left + window.width]
        return pixels[:, rows][:, :, columns]
    resized = interpolated(pixels[None].float(), height, width, resample)[0]
    if not pixels.dtype.is_floating_point:
        # Bicubic overshoots at edges: what the original did not hold is cut off.
        resized = resized.round().clamp(pixels.min(), pixels.max()).to(pixels.dtype)
    return window.of(resized)


def interpolated(images: Tensor, height: int, width: int, resample: str) -> Tensor:
    """Floats (N, C, h, w) at another size, on any device. Bicubic overshoots at edges."""
    if resample == "nearest":
        rows, columns = _nearest(images.shape[-2], height), _nearest(images.shape[-1], width)
        return images[..., rows.to(images.device), :][..., columns.to(images.device)]
    return interpolate(images, (height, width), mode=resample, antialias=True, align_corners=False)


def _with_pillow(pixels: Tensor, height: int, width: int, resample: str, window: Window) -> Tensor:
    """As the published code does it, to the bit."""
    method, image = Image.Resampling[resample.upper()], to_image(pixels)
    box = _box(image.size, (width, height), window)
    if box:
        return to_tensor(image.resize((window.width, window.height), method, box=box)).contiguous()
    return window.of(to_tensor(image.resize((width, height), method)))


def _box(
    old: tuple[int, int], new: tuple[int, int], window: Window
) -> tuple[float, float, float, float] | None:
    """The window in the old image, if its pixels are then those of the whole resized.

    Pillow holds a box in four floats of 32 bits. A corner that is rounded moves its filters a
    little, and some pixels would differ: at 256 to 286 px one in 1,600, by up to 2 levels. And it
    chooses by the sizes whether rows or columns come first, which changes the rounding; squares
    leave it no choice.
    """
    if old[0] != old[1] or new[0] != new[1] or window.width != window.height:
        return None
    right, bottom = window.left + window.width, window.top + window.height
    corners = [
        Fraction(at * old[axis], new[axis])
        for at, axis in ((window.left, 0), (window.top, 1), (right, 0), (bottom, 1))
    ]
    # A dyadic fraction with few enough digits is a float exactly.
    if any(c.denominator & (c.denominator - 1) or c.numerator >= 2**24 for c in corners):
        return None
    left, top, right_, bottom_ = map(float, corners)
    return left, top, right_, bottom_


def _nearest(size: int, expected: int) -> Tensor:
    """For each expected position the original one whose middle is nearest."""
    return ((torch.arange(expected) + 0.5) * (size / expected)).long().clamp(max=size - 1)
