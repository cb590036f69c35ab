"""8-bit images of any kind, through Pillow.

Others must not go there: it clips 16-bit grey at 255 and opens 16-bit RGB as 8-bit without a word.
"""

import io
import struct
import warnings
from collections.abc import Callable

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    Image,
    ImageFile,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.formats.quiet import silence_libtiff
from imtrans.data.pixels.formats.stored import PixelSpec, Stored, check_dtype, check_size

# Pillow warns of every oddity in metadata that is of no use here. catch_warnings would not do:
# images are decoded in threads, and it is not made for them.
warnings.filterwarnings("ignore", module=r"PIL\.")
silence_libtiff()
EIGHT_BIT = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")
GREY = ("1", "L", "LA", "La")


def with_pillow(content: bytes, picture: Picture, expected: PixelSpec) -> Stored:
    image = _pillow_class(content)(io.BytesIO(content))
    check_size(*image.size, 1, expected)
    if image.mode not in EIGHT_BIT:
        raise ImtransError(
            f"Pillow's mode '{image.mode}'; only 8-bit images can be read. convert it to 8 bits"
        )
    check_dtype("uint8", expected)
    with image:
        if expected.draft and isinstance(image, JpegImagePlugin.JpegImageFile):
            lying = image.getexif().get(ExifTags.Base.Orientation, 1) > 4
            image.draft(None, expected.draft[::-1] if lying else expected.draft)
        return channels_expected(image, expected)


def channels_expected(image: Image.Image, expected: PixelSpec) -> Stored:
    """An image of 8 bits, upright, as grey or RGB, with its transparency."""
    mode = _pillow_mode(image, expected)
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("La", "RGBa"):  # premultiplied: they convert to nothing else
        upright = upright.convert({"La": "LA", "RGBa": "RGBA"}[upright.mode])
    if mode == "LA" and upright.mode not in GREY:
        upright = upright.convert("RGBA")  # a palette's transparency would not survive
    values = np.asarray(upright.convert(mode))
    return Stored(np.atleast_3d(values), alpha=mode in ("LA", "RGBA"))


def _pillow_class(content: bytes) -> Callable[[io.BytesIO], ImageFile.ImageFile]:
    # Not Image.open: it warns of sizes that are checked here, and tries formats that nobody
    # expects under these names, up to PostScript, which is a program.
    if content.startswith(b"\x89PNG"):
        return PngImagePlugin.PngImageFile
    if content.startswith(b"BM"):
        return BmpImagePlugin.BmpImageFile
    if content.startswith(b"\xff\xd8"):
        return JpegImagePlugin.JpegImageFile
    return (
        WebPImagePlugin.WebPImageFile if content[:4] == b"RIFF" else TiffImagePlugin.TiffImageFile
    )


def _pillow_mode(image: Image.Image, expected: PixelSpec) -> str:
    """The mode that has the channels expected, and transparency if the image has some."""
    transparent = image.has_transparency_data
    if expected.alpha == "keep" and expected.channels in (2, 4):
        return "LA" if expected.channels == 2 else "RGBA"
    grey = expected.channels == 1 or (expected.channels != 3 and image.mode in GREY)
    return ("LA" if grey else "RGBA") if transparent else ("L" if grey else "RGB")


def read_webp(content: bytes, picture: Picture, expected: PixelSpec) -> Stored:
    # WebP's decoder takes memory for the whole canvas already when it is opened.
    check_size(*webp_size(content), 1, expected)
    return with_pillow(content, picture, expected)


def webp_size(content: bytes) -> tuple[int, int]:
    """Width and height, from the first 30 bytes."""
    kind, body = content[12:16], content[20:30]
    if kind == b"VP8X":
        width, height = (int.from_bytes(body[i : i + 3], "little") + 1 for i in (4, 7))
        return width, height
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = (n & 0x3FFF for n in struct.unpack_from("<HH", body, 6))
    return width, height
