"""From a picture, whatever its file holds, to a tensor of pixels: losslessly, or not at all.

The first bytes of a file say what it is, never its suffix. 8-bit images go through Pillow. Others
must not: it clips 16-bit grey at 255 and opens 16-bit RGB as 8-bit without a word. They go through
kornia_rs (16-bit grey and RGB), tifffile (any other TIFF) or numpy (.npy).

Every size is read from the header and refused there when it is too large, before any decoder
takes memory for it.
"""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.formats.eight_bit import read_webp, with_pillow
from imtrans.data.pixels.formats.npy import read_npy
from imtrans.data.pixels.formats.png import read_png
from imtrans.data.pixels.formats.stored import STORED, TOP, Depth, PixelSpec, Reader, Stored
from imtrans.data.pixels.formats.tiff import MAGIC, read_tiff

ROWS = 32


def decode(picture: Picture, expected: PixelSpec) -> Tensor:
    """The pixels (C, H, W) of a picture, upright, contiguous; of a half, that half's.

    uint8 is torch.uint8, uint16 is torch.int32 in 0 ... 65535, float32 is torch.float32, finite.
    8-bit images become grey or RGB as expected; of any other depth the channels must be those
    expected. The pages of a TIFF that are of one size and one channel each are its channels. In a
    `.npy` the channels are the last axis: (H, W), (H, W, C) with C at most 32, else (C, H, W).
    Transparency goes from 0 to 255, 65535 or 1.0, where also white is.

    Raises ImtransError, naming the picture, when it is missing, damaged or not what is expected.
    """
    with naming(picture):
        return as_expected(
            _open(_content(picture, expected), picture, expected), expected, picture.half
        )


@contextmanager
def naming(picture: Picture) -> Iterator[None]:
    """Whatever goes wrong within is an ImtransError that names the picture."""
    try:
        yield
    except ImtransError as error:
        raise type(error)(f"{picture}: {error}") from error
    except Exception as error:  # decoders raise many kinds: OSError, SyntaxError, struct.error ...
        raise ImtransError(f"{picture}: {_reason(error)}") from error


def as_expected(stored: Stored, expected: PixelSpec, half: str | None = None) -> Tensor:
    """Pixels (C, H, W) of what a file holds, or of its half. Raises ImtransError with the reason
    alone when they are not what is expected."""
    pixels = take_half(_tensor(_upright(stored), expected.dtype), half)
    if expected.dtype == "float32" and not bool(torch.isfinite(pixels).all()):
        raise ImtransError("not all of its pixels are finite numbers (NaN or infinity)")
    pixels = _transparency(pixels, stored, expected)
    _check_channels(len(pixels), expected)
    return pixels


def _content(picture: Picture, expected: PixelSpec) -> bytes:
    """The bytes of the picture, once their beginning looks like an image."""
    if picture.content is not None:
        _check_start(picture.content[:16], len(picture.content), expected)
        return picture.content
    if picture.store is not None:
        _check_length(picture.size, expected)
        content = picture.store.read(picture.offset, picture.size)
        _check_start(content[:16], len(content), expected)
        return content
    if stat.S_ISFIFO(os.stat(picture.path).st_mode):
        raise ImtransError("a pipe, not an image")  # it would be waited for without end
    with open(picture.path, "rb") as file:
        start = picture.offset if picture.member else 0
        size = picture.size if picture.member else file.seek(0, io.SEEK_END)
        file.seek(start)
        _check_start(file.read(min(16, size)), size, expected)
        file.seek(start)
        content = file.read(size)
    if len(content) < size:
        raise ImtransError("damaged image: its tar file ends within it")
    return content


def _check_start(start: bytes, size: int, expected: PixelSpec) -> None:
    if _reader(start) is None:
        raise ImtransError("not an image, or one that cannot be read")
    _check_length(size, expected)


def _check_length(size: int, expected: PixelSpec) -> None:
    # No format needs more than its pixels, but for some words about them.
    if size > 16 * expected.max_pixels + 2**26:
        raise ImtransError(f"too large a file for one image: {size:,} bytes")


def _reader(content: bytes) -> Reader | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return read_png
    if content.startswith(MAGIC):
        return read_tiff
    if content.startswith(b"\x93NUMPY"):
        return read_npy
    if content.startswith((b"\xff\xd8\xff", b"BM")):
        return with_pillow
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return read_webp
    return None


def _open(content: bytes, picture: Picture, expected: PixelSpec) -> Stored:
    reader = _reader(content)
    assert reader is not None  # _check_start has looked
    return reader(content, picture, expected)


def _upright(stored: Stored) -> NDArray[Any]:
    values = stored.values
    across = values.transpose(1, 0, 2)
    return {
        2: values[:, ::-1],
        3: values[::-1, ::-1],
        4: values[::-1],
        5: across,
        6: across[:, ::-1],
        7: across[::-1, ::-1],
        8: across[::-1],
    }.get(stored.orientation, values)


def take_half(pixels: Tensor, half: str | None) -> Tensor:
    """The left or right half (C, H, W // 2) of an image; of an odd width the middle column belongs
    to neither. Raises ImtransError for an image that is too narrow."""
    if half is None:
        return pixels
    width = pixels.shape[-1]
    if width < 2:
        raise ImtransError(f"{width} px wide; it has no halves")
    start = 0 if half == "left" else width - width // 2
    return pixels[..., start : start + width // 2].contiguous()


def _tensor(values: NDArray[Any], dtype: Depth) -> Tensor:
    # Always a copy: the values may be in memory that is read-only, or in another byte order.
    return torch.from_numpy(np.array(values.transpose(2, 0, 1), dtype=STORED[dtype], order="C"))


def _transparency(pixels: Tensor, stored: Stored, expected: PixelSpec) -> Tensor:
    if not stored.alpha:
        return pixels
    colours, alpha = pixels[:-1], pixels[-1:]
    top = TOP[expected.dtype]
    opaque = bool((alpha >= top).all())
    if not opaque and expected.alpha is None:
        raise ImtransError(
            "has transparent pixels. "
            + (
                "save it without transparency"
                if expected.fixed
                else "say what they are: set data.source.alpha (or data.target.alpha) = "
                '"white", "black", "drop" or "keep"'
            )
        )
    if not opaque and stored.premultiplied:
        raise ImtransError("its colours are multiplied by its transparency; save it without that")
    if expected.alpha == "keep":
        return pixels
    if opaque or expected.alpha == "drop":
        return colours.clone()
    behind = top if expected.alpha == "white" else 0
    found = torch.empty_like(colours)
    # Some rows at a time: of all of a large image the products would be gigabytes.
    for at in range(0, colours.shape[1], ROWS):
        rows = slice(at, at + ROWS)
        found[:, rows] = _over(behind, top, colours[:, rows], alpha[:, rows])
    return found


def _over(behind: float, top: float, colours: Tensor, alpha: Tensor) -> Tensor:
    """Colours over a uniform ground; integers rounded."""
    if colours.is_floating_point():
        return colours * alpha + behind * (1 - alpha)
    wide = colours.long() * alpha + int(behind) * (int(top) - alpha.long())
    return (wide + int(top) // 2) // int(top)


def _check_channels(channels: int, expected: PixelSpec) -> None:
    if expected.channels not in (None, channels):
        some = f"{channels} channel{'s' if channels != 1 else ''}"
        other = "" if expected.fixed else ", or set the side's channels"
        raise ImtransError(f"{some}; {expected.channels} expected. convert it{other}")


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "a folder, not an image"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, MemoryError):
        return "not enough memory for it"
    return f"damaged image: {' '.join(str(error).split()) or type(error).__name__}"
