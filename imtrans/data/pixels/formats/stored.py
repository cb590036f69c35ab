"""What all formats share: what is expected of a file, what it holds, and what is refused."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture

Depth = Literal["uint8", "uint16", "float32"]

STORED: dict[str, np.dtype[Any]] = {  # in torch; torch.uint16 cannot even be flipped
    "uint8": np.dtype(np.uint8),
    "uint16": np.dtype(np.int32),
    "float32": np.dtype(np.float32),
}
TOP = {"uint8": 255, "uint16": 65535, "float32": 1.0}  # white, and opaque
BITS = {
    "uint8": "8 bits per channel",
    "uint16": "16 bits per channel",
    "float32": "32-bit float channels",
}
NAMES = {"uint8": "8-bit", "uint16": "16-bit", "float32": "32-bit float"}


# Says for a picture of this width and height how many pixels memory has room for; None where that
# is unknown, or not asked for what is at most LARGE, since it takes a moment.
Fitting = Callable[[int, int], int | None] | None
LARGE = 2**22  # pixels
LARGEST_TILE = 2048  # px; larger ones are of no use
# Width x height: photographs of 24 megapixels and a little more. What says it is larger may be a
# small file that would take gigabytes.
MAX_PIXELS = 25_000_000


@dataclass(frozen=True)
class PixelSpec:
    """What one side of the data is."""

    channels: int | None = None  # as many as the file has; kept transparency counts as one
    dtype: Depth = "uint8"
    alpha: Literal["white", "black", "drop", "keep"] | None = None
    max_pixels: int = MAX_PIXELS  # width x height
    fitting: Fitting = None
    draft: tuple[int, int] | None = None  # a JPEG may be decoded smaller, but not than this
    fixed: bool = False  # a trained model asks for it: the file is to change, and no recipe


@dataclass(frozen=True)
class Stored:
    """Pixels as a file holds them: (H, W, C), not yet upright."""

    values: NDArray[Any]
    alpha: bool = False  # the last channel is transparency
    premultiplied: bool = False  # and the colours are multiplied by it
    orientation: int = 1  # as EXIF counts it


Reader = Callable[[bytes, Picture, PixelSpec], Stored]


def check_size(
    width: int, height: int, channels: int, expected: PixelSpec, most: int | None = None
) -> None:
    if width < 1 or height < 1 or channels < 1:
        raise ImtransError(f"damaged image: {width} x {height} px, {channels} channels")
    if width * height > (most or expected.max_pixels):
        raise ImtransError(
            f"too many pixels for one image: {width} x {height}; "
            f"at most {expected.max_pixels:,} are read. raise "
            + ("--max-pixels" if expected.fixed else "data.max_pixels")
        )
    if expected.fitting:
        most_fitting = expected.fitting(width, height)
        if most_fitting is not None and width * height > most_fitting:
            raise ImtransError(
                f"{width} x {height} px do not fit into memory; about {most_fitting:,} px would. "
                f"use --tile {_tile(most_fitting)}, or scale it down"
            )
    if width * height * channels > 4 * expected.max_pixels:
        raise ImtransError(f"too many pixels for one image: {width} x {height} x {channels}")


def _tile(most: int) -> int:
    """A side of so many pixels at most that networks can take: a power of 2."""
    return min(1 << max(math.isqrt(most), 1).bit_length() - 1, LARGEST_TILE)


def check_dtype(dtype: str, expected: PixelSpec) -> None:
    if dtype not in STORED:
        raise ImtransError(f"'{dtype}' channels; only {', '.join(STORED)} can be read. convert it")
    if dtype != expected.dtype:
        setting = f'set data.source.dtype = "{dtype}" (or data.target.dtype), or '
        raise ImtransError(
            f"{BITS[dtype]}; only {NAMES[expected.dtype]} images are read. "
            f"{'' if expected.fixed else setting}convert it to {NAMES[expected.dtype]}"
        )


def with_kornia(name: str, *arguments: object) -> NDArray[Any]:
    try:
        values: NDArray[Any] = getattr(import_module("kornia_rs").io, name)(*arguments)
        return values
    except BaseException as error:
        # A panic of Rust is not even an Exception.
        if type(error).__name__ == "PanicException":
            raise RuntimeError(str(error)) from error
        raise
