"""A summary of the pixels of one side of a pair: under a kilobyte, whatever its size."""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from imtrans.checking.data.look import Look, look
from imtrans.checking.data.palette import Strays, strays
from imtrans.data.encoding import Side
from imtrans.data.pixels.resize import resize

VIEW = 256  # px, the longer side of a view
THUMB = 12  # px, both sides of a thumbnail
BORDER = 8  # px, the size of a JPEG block
FLAT = 2  # 8-bit levels: how far JPEG spreads a single colour


@dataclass(frozen=True, slots=True)
class PixelSummary:
    """Of one side as decoded for training, before resizing."""

    size: tuple[int, int]  # px, width and height
    low: float  # stored values
    high: float
    mean: float
    outside: float  # share of values outside of data.*.range, 0 ... 1
    constant: bool  # a single colour
    digest: bytes  # equal for equal pixels
    thumb: bytes  # RGB, THUMB x THUMB
    look: Look
    strays: Strays | None  # pixels that belong to no class, where classes are declared


def summarise(pixels: Tensor, side: Side, view: Tensor) -> PixelSummary:
    """Summarise stored pixels (C, H, W), given their view, uint8 (3, h, w)."""
    low, high = (float(value) for value in pixels.aminmax())
    outside = 0.0
    if low < side.low or high > side.high:
        outside = float(((pixels < side.low) | (pixels > side.high)).float().mean())
    return PixelSummary(
        size=(pixels.shape[-1], pixels.shape[-2]),
        low=low,
        high=high,
        mean=float(pixels.float().mean()),
        outside=outside,
        constant=_is_constant(pixels),
        digest=_digest(pixels),
        thumb=thumbnail(view),
        look=look(view),
        strays=_strays(pixels, side),
    )


def _strays(pixels: Tensor, side: Side) -> Strays | None:
    labels = side.labels
    return strays(labels.without_instances(pixels), labels.colours) if labels else None


def viewable(pixels: Tensor) -> Tensor:
    """Stored pixels (C, H, W) as a viewable image: uint8 (3, h, w), at most VIEW px a side.

    Depths beyond 8 bits are stretched from their own smallest to their largest value, so that the
    view does not depend on the recipe's range, which may be wrong.
    """
    height, width = pixels.shape[-2:]
    scale = min(1.0, VIEW / max(height, width))
    if scale < 1:
        new = max(1, round(height * scale)), max(1, round(width * scale))
        pixels = resize(pixels, *new, "bilinear")
    if pixels.dtype != torch.uint8:
        low, high = pixels.aminmax()
        span = max(float(high) - float(low), 1e-30)
        pixels = ((pixels.float() - low) / span * 255).round().to(torch.uint8)
    if len(pixels) == 1:
        return pixels.expand(3, -1, -1).contiguous()
    if len(pixels) == 2:
        return torch.cat([pixels, torch.zeros_like(pixels[:1])])
    return pixels[:3].contiguous()


def thumbnail(view: Tensor) -> bytes:
    """The means of THUMB x THUMB parts of a view, uint8 (3, h, w)."""
    small = adaptive_avg_pool2d(view[None].float(), (THUMB, THUMB))[0]
    return small.round().to(torch.uint8).numpy().tobytes()


def _is_constant(pixels: Tensor) -> bool:
    # Without the border: in JPEG the colours of the other half of a file bleed into this one.
    down, across = (min(BORDER, size // 8) for size in pixels.shape[-2:])
    inner = pixels[:, down : pixels.shape[1] - down, across : pixels.shape[2] - across]
    low, high = inner.flatten(1).amin(1), inner.flatten(1).amax(1)
    # Beyond 8 bits a small span may be a real picture: a thermal image, a depth map.
    return bool(((high - low) <= (FLAT if pixels.dtype == torch.uint8 else 0)).all())


def _digest(pixels: Tensor) -> bytes:
    content = hashlib.blake2b(f"{tuple(pixels.shape)} {pixels.dtype}".encode(), digest_size=8)
    content.update(pixels.contiguous().numpy().data)
    return content.digest()
