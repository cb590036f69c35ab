"""Stored pixels at another size: 8-bit images through Pillow, everything else through torch."""

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from imtrans.data.images import to_image, to_tensor


def resize(pixels: Tensor, height: int, width: int, resample: str) -> Tensor:
    """(C, h, w) to (C, height, width), of the same dtype. Smaller sizes are filtered, not sampled,
    except with `nearest`, which invents no value."""
    if pixels.shape[-2:] == (height, width):
        return pixels
    if pixels.dtype == torch.uint8 and len(pixels) in (1, 3):
        # As the published code does it, to the bit.
        method = Image.Resampling[resample.upper()]
        return to_tensor(to_image(pixels).resize((width, height), method))
    if resample == "nearest":
        rows, columns = _nearest(pixels.shape[-2], height), _nearest(pixels.shape[-1], width)
        return pixels[:, rows][:, :, columns]
    resized = interpolate(
        pixels[None].float(), (height, width), mode=resample, antialias=True, align_corners=False
    )[0]
    if pixels.dtype.is_floating_point:
        return resized
    # Bicubic overshoots at edges: what the original did not hold is cut off.
    return resized.round().clamp(pixels.min(), pixels.max()).to(pixels.dtype)


def _nearest(size: int, wanted: int) -> Tensor:
    """For each wanted position the original one whose middle is nearest."""
    return ((torch.arange(wanted) + 0.5) * (size / wanted)).long().clamp(max=size - 1)
