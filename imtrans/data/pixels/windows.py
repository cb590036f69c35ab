"""Windows of a picture that is too large to be decoded as a whole: of a TIFF, read part by part."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from PIL import Image
from tifffile import TiffFile
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.decode import as_expected, naming
from imtrans.data.pixels.formats.eight_bit import channels_expected
from imtrans.data.pixels.formats.stored import Depth, PixelSpec, Stored, check_size
from imtrans.data.pixels.formats.tiff import (
    MAGIC,
    Page,
    check_pages,
    in_order_of_light,
    opened,
    pages_in,
)
from imtrans.data.pixels.formats.tiff_parts import NONE, TiffParts, has_parts
from imtrans.data.pixels.formats.tiff_tags import KeptTags, kept_tags

# What says it is larger is damaged. No memory depends on the pixels; that of a part on channels.
LARGEST, CHANNELS = 2**36, 2**10


class Windows:
    """The windows of a TIFF: each is what `decode` would give of it, with the same checks, but
    that it may have any number of pixels."""

    def __init__(
        self, file: BinaryIO, tiff: TiffFile, pages: list[Page], picture: Picture, spec: PixelSpec
    ) -> None:
        self.tiff, self._pages, self._picture, self._expected = tiff, pages, picture, spec
        self._parts = [TiffParts(file, page) for page in pages]
        width, height = pages[0].size
        self.size = height, width  # px

    def read(self, top: int, left: int, height: int, width: int) -> Tensor:
        """The pixels (C, height, width) of a window within the picture. Raises ImtransError."""
        with naming(self._picture):
            return as_expected(self._stored(top, left, height, width), self._expected)

    @property
    def packed(self) -> bool:
        """Whether the file is compressed."""
        return self._pages[0].compression != NONE

    def kept_tags(self, channels: int, dtype: Depth) -> KeptTags:
        """The tags that hold for a result of the same size."""
        return kept_tags(self._pages[0], channels, dtype)

    def _stored(self, *window: int) -> Stored:
        parts = [part.read(*window) for part in self._parts]
        values = np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0]
        values, first = in_order_of_light(values, self._pages[0]), self._pages[0]
        if len(parts) > 1 or not first.is_pillows:
            return Stored(values, first.alpha)
        image = Image.fromarray(values[..., 0] if values.shape[2] == 1 else values)
        return channels_expected(image, self._expected)


@contextmanager
def windows_of(picture: Picture, expected: PixelSpec) -> Iterator[Windows | None]:
    """The windows of a picture, until the end; None where it has to be decoded as a whole: all that
    is no TIFF in a file of its own, and TIFF of unusual colours, compression or orientation.

    Raises ImtransError naming the picture when it is damaged or not what is expected.
    """
    if picture.content is not None or picture.member or picture.half or not _is_tiff(picture):
        yield None
        return
    with naming(picture):
        file = open(picture.path, "rb")
    with file:
        with naming(picture):
            tiff = opened(file)
        with tiff:
            with naming(picture):
                found = _found(file, tiff, picture, expected)
            yield found


def _is_tiff(picture: Picture) -> bool:
    with naming(picture), open(picture.path, "rb") as file:
        return file.read(4) in MAGIC


def _found(file: BinaryIO, tiff: TiffFile, picture: Picture, expected: PixelSpec) -> Windows | None:
    pages = pages_in(tiff)
    check_pages(pages, expected)
    if not all(map(has_parts, pages)):
        return None
    width, height = pages[0].size
    if pages[0].samples * len(pages) > CHANNELS:
        raise ImtransError(f"damaged image: {pages[0].samples * len(pages)} channels")
    check_size(width, height, pages[0].samples * len(pages), PixelSpec(max_pixels=LARGEST))
    if any(page.size != (page.found.imagewidth, page.found.imagelength) for page in pages):
        raise ImtransError("damaged image: its header contradicts itself")
    return Windows(file, tiff, pages, picture, expected)
