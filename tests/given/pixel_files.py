"""Image files that the tests write byte by byte, and how they are read."""

import struct
import zlib

import pytest
import torch
from hypothesis import HealthCheck, settings

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.formats.stored import PixelSpec

DTYPES = {"uint8": torch.uint8, "uint16": torch.int32, "float32": torch.float32}
fuzz = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def read(path, channels=None, dtype="uint8", alpha=None, **picture):
    return decode(Picture(str(path), **picture), PixelSpec(channels, dtype, alpha))


def random_pixels(channels, dtype, size=(6, 9), seed=0):
    draw = torch.Generator().manual_seed(seed)
    if dtype == "float32":
        return torch.randn(channels, *size, generator=draw) * 1000
    top = 256 if dtype == "uint8" else 65536
    return torch.randint(0, top, (channels, *size), generator=draw).to(DTYPES[dtype])


def refused(path, told, *arguments, **options):
    with pytest.raises(ImtransError, match=told) as caught:
        read(path, *arguments, **options)
    assert str(path) in str(caught.value)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows=b"", extra=b""):
    """A PNG of a kind that Pillow may not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def png16(values, colour, extra=b""):
    """A 16-bit PNG of an array (H, W, C)."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], 16, colour, rows, extra)


def tiff(tags, data=b""):
    """A little-endian TIFF of one page: its tags as numbers, then its data, which begin at 8."""
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items())
    )
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory
