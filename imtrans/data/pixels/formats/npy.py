"""Arrays that numpy wrote: the channels are the last axis, or, when that is long, the first."""

import io
import math
from typing import Any, BinaryIO

import numpy as np

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.formats.stored import PixelSpec, Stored, check_dtype, check_size

NPY_CHANNELS = 32  # a longer last axis of a .npy is its width


def read_npy(content: bytes, picture: Picture, expected: PixelSpec) -> Stored:
    file = io.BytesIO(content)
    shape, fortran, dtype = read_header(file)
    height, width, channels, last = axes(shape)
    check_size(width, height, channels, expected)
    check_dtype("uint8" if dtype.kind == "b" else dtype.name, expected)
    values = np.frombuffer(content, dtype, math.prod(shape), file.tell())
    values = values.reshape(shape[::-1]).T if fortran else values.reshape(shape)
    if dtype.kind == "b":
        values = values * np.uint8(255)
    if len(shape) == 2:
        return Stored(values[:, :, None])
    return Stored(values if last else values.transpose(1, 2, 0))


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether the first axis runs fastest, and dtype; the file is then at its values."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ImtransError(f".npy of version {version[0]}.{version[1]} cannot be read")
    header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    return header[version[0]](file)


def axes(shape: tuple[int, ...]) -> tuple[int, int, int, bool]:
    """Height, width, channels, and whether the channels are the last axis."""
    if len(shape) not in (2, 3):
        raise ImtransError(f"an array of {len(shape)} axes; an image has 2 or 3")
    last = len(shape) == 3 and shape[2] <= NPY_CHANNELS
    height, width, channels = (*shape, 1) if len(shape) == 2 else shape
    if len(shape) == 3 and not last:
        channels, height, width = shape
    if len(shape) == 3 and not last and channels > NPY_CHANNELS:
        raise ImtransError(f"an array {shape}: no axis has at most {NPY_CHANNELS} channels")
    return height, width, channels, last
