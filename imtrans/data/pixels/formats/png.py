"""PNG: 8 bits through Pillow, 16 bits through kornia_rs."""

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    ExifTags,
    Image,
    PngImagePlugin,
)

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.formats.eight_bit import with_pillow
from imtrans.data.pixels.formats.stored import (
    PixelSpec,
    Stored,
    check_dtype,
    check_size,
    with_kornia,
)


def read_png(content: bytes, picture: Picture, expected: PixelSpec) -> Stored:
    if content[12:16] != b"IHDR":
        raise ImtransError("damaged image: it does not begin with a header")
    width, height, depth, colour = struct.unpack_from(">IIBB", content, 16)
    check_size(width, height, 1, expected)
    if depth != 16:
        return with_pillow(content, picture, expected)
    check_dtype("uint16", expected)
    notes = {kind: bytes(body) for kind, body in _chunks(content) if kind in (b"tRNS", b"eXIf")}
    values = _png_values(content, width, height, colour)
    if key := notes.get(b"tRNS"):
        # One colour means transparent; kornia_rs does not look.
        clear = (values == np.frombuffer(key, ">u2")).all(axis=2, keepdims=True)
        values = np.concatenate([values, np.where(clear, 0, 65535).astype(values.dtype)], axis=2)
    return Stored(
        values,
        alpha=colour in (4, 6) or b"tRNS" in notes,
        orientation=_exif_orientation(notes.get(b"eXIf")),
    )


def _png_values(content: bytes, width: int, height: int, colour: int) -> NDArray[Any]:
    """The 16-bit values (H, W, C) of a PNG."""
    if colour == 4:
        # kornia_rs has no grey with alpha. Its 4 bytes per pixel are stored, filtered and
        # interlaced just like those of 8-bit RGBA, so Pillow reads them under that header.
        header = content[12:24] + bytes((8, 6)) + content[26:29]
        content = content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
        with PngImagePlugin.PngImageFile(io.BytesIO(content)) as image:
            return np.asarray(image).view(">u2")
    mode = {0: "mono", 2: "rgb", 6: "rgba"}[colour]
    return with_kornia("decode_image_png_u16", content, (height, width), mode)


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, at = memoryview(content), 8
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        yield kind, view[at + 8 : at + 8 + length]
        at += 12 + length


def _exif_orientation(data: bytes | None) -> int:
    exif = Image.Exif()
    exif.load(data or b"")
    return int(exif.get(ExifTags.Base.Orientation, 1))
