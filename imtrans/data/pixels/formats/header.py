"""What the header of a file says of its picture, without decoding a pixel."""

import io
import os
import stat
import struct
from dataclasses import dataclass
from typing import BinaryIO

from PIL import (
    BmpImagePlugin,
    ExifTags,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
)
from PIL.ContainerIO import ContainerIO

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.formats.eight_bit import webp_size
from imtrans.data.pixels.formats.npy import axes, read_header
from imtrans.data.pixels.formats.stored import NAMES
from imtrans.data.pixels.formats.tiff import pages_of

# Pillow's modes: colour channels, and what they are called.
MODES = {
    "1": (1, "grey"),
    "L": (1, "grey"),
    "LA": (1, "grey"),
    "P": (3, "RGB"),  # a palette: its indices mean colours
    "PA": (3, "RGB"),
    "RGB": (3, "RGB"),
    "RGBA": (3, "RGB"),
    "CMYK": (4, "CMYK"),
}
PNG_COLOURS = {0: (1, "grey"), 2: (3, "RGB"), 3: (3, "RGB"), 4: (1, "grey"), 6: (3, "RGB")}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """A picture as its file announces it; of a half, what the whole file announces."""

    format: str  # 'PNG', 'JPEG', 'WebP', 'BMP', 'TIFF' or '.npy'
    size: tuple[int, int]  # px, width and height, upright
    dtype: str  # 'uint8', 'uint16', 'float32', or one that is refused
    channels: int  # without transparency
    colour: str  # 'grey', 'RGB', 'CMYK' or 'N channels'
    alpha: bool
    orientation: int  # as EXIF counts it; 1: as it is stored

    @property
    def kind(self) -> str:
        """As a person calls it: '8-bit RGB', '16-bit grey with transparency'."""
        clear = " with transparency" if self.alpha else ""
        return f"{NAMES.get(self.dtype, self.dtype)} {self.colour}{clear}"


def header(picture: Picture) -> ImageHeader:
    """Read the beginning of a file, or of a member. Raises ImtransError with the reason alone."""
    try:
        if picture.content is not None:
            return _read(io.BytesIO(picture.content))
        if picture.store is not None:
            return _read(io.BytesIO(picture.store.read(picture.offset, picture.size)))
        if not stat.S_ISREG(os.stat(picture.path).st_mode):
            raise ImtransError("not a file")  # a pipe would be waited for without end
        with open(picture.path, "rb") as file:
            if picture.member:
                return _read(ContainerIO(file, picture.offset, picture.size))  # type: ignore[arg-type]
            return _read(file)
    except FileNotFoundError as error:
        raise ImtransError("no such file") from error
    except ImtransError:
        raise
    except Exception as error:  # as in decoding, readers raise many kinds
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ImtransError(f"damaged image: {' '.join(str(reason).split()).lower()}") from error


def _read(file: BinaryIO) -> ImageHeader:
    start = file.read(26)
    file.seek(0)
    if start.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(file, start)
    if start.startswith(b"\xff\xd8\xff"):
        return _pillows("JPEG", JpegImagePlugin.JpegImageFile(file))
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(file)
    if start.startswith(b"\x93NUMPY"):
        return _npy(file)
    if start.startswith(b"BM"):
        return _pillows("BMP", BmpImagePlugin.BmpImageFile(file))
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return _webp(file)
    raise ImtransError("not an image, or one that cannot be read")


def _png(file: BinaryIO, start: bytes) -> ImageHeader:
    depth, colour = struct.unpack_from(">BB", start, 24)
    image = PngImagePlugin.PngImageFile(file)
    # Not getexif(), which decodes the image to look behind it as well.
    noted = "exif" in image.info or "Raw profile type exif" in image.info
    found = _pillows("PNG", image, orientation=None if noted else 1)
    channels, name = PNG_COLOURS[colour]
    dtype = "uint16" if depth == 16 else "uint8"
    return ImageHeader("PNG", found.size, dtype, channels, name, found.alpha, found.orientation)


def _webp(file: BinaryIO) -> ImageHeader:
    # Opened by Pillow it takes memory for all its pixels: a bomb is known by its size.
    width, height = webp_size(file.read(30))
    if width * height > 2**28:
        return ImageHeader("WebP", (width, height), "uint8", 3, "RGB", False, 1)
    file.seek(0)
    return _pillows("WebP", WebPImagePlugin.WebPImageFile(file))


def _pillows(kind: str, image: ImageFile.ImageFile, orientation: int | None = None) -> ImageHeader:
    channels, colour = MODES.get(image.mode, (len(image.getbands()), image.mode))
    if orientation is None:
        orientation = int(image.getexif().get(ExifTags.Base.Orientation, 1))
    size = _upright(image.size, orientation)
    clear = image.has_transparency_data
    return ImageHeader(kind, size, "uint8", channels, colour, clear, orientation)


def _tiff(file: BinaryIO) -> ImageHeader:
    pages = pages_of(file)
    first = pages[0]
    channels = first.samples * len(pages) - first.alpha
    colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    if first.photometric == 3:  # a palette
        channels, colour = 3, "RGB"
    size = _upright(first.size, first.orientation)
    return ImageHeader("TIFF", size, first.dtype, channels, colour, first.alpha, first.orientation)


def _npy(file: BinaryIO) -> ImageHeader:
    shape, _, dtype = read_header(file)
    height, width, channels, _ = axes(shape)
    colour = {1: "grey", 3: "RGB"}.get(channels, f"{channels} channels")
    name = "uint8" if dtype.kind == "b" else dtype.name
    return ImageHeader(".npy", (width, height), name, channels, colour, False, 1)


def _upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation in (5, 6, 7, 8) else size
