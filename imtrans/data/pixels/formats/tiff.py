"""TIFF: 8 bits through Pillow, 16-bit grey and RGB through kornia_rs, others through tifffile."""

import io
import logging
import math
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile, TiffPage

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

# It logs of every oddity in metadata; what matters it raises.
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Page:
    """What the header of a TIFF's page says."""

    found: TiffPage
    size: tuple[int, int]  # width, height
    bits: int
    kind: int  # 1 unsigned, 2 signed, 3 float
    samples: int
    extra: tuple[int, ...]  # what samples beyond the colours are: 0 no colour, 1 and 2 alpha
    photometric: int
    compression: int
    orientation: int
    plain: bool  # the channels of a pixel side by side, bits in their usual order
    reduced: bool  # a preview or a mask of another page
    chunk: int  # values in a tile

    @property
    def dtype(self) -> str:
        if self.bits <= 8 and self.kind == 1:
            return "uint8"
        return {1: "uint", 2: "int", 3: "float"}.get(self.kind, "unknown") + str(self.bits)

    @property
    def alpha(self) -> bool:
        # Transparency among other extra samples is a channel like them: nothing is lost.
        return self.extra[-1:] in ((1,), (2,)) and not any(self.extra[:-1])

    @property
    def is_pillows(self) -> bool:
        """Whether Pillow reads all of it: it forgets extra samples."""
        colours = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}.get(self.photometric)
        return self.dtype == "uint8" and self.samples == colours + self.alpha if colours else False


MAGIC = b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"  # the last two: BigTIFF
MAX_PAGES = 256
MAX_TAGS = 512  # of a page; tifffile's time grows with their square
WITH_KORNIA = (("uint16", 1, 1), ("uint16", 3, 2))


def read_tiff(content: bytes, picture: Picture, expected: PixelSpec) -> Stored:
    # Closed here: tifffile's objects refer to each other, and would keep the bytes for long.
    with io.BytesIO(content) as file, opened(file) as tiff:
        return _read(content, pages_in(tiff), picture, expected)


def _read(content: bytes, pages: list[Page], picture: Picture, expected: PixelSpec) -> Stored:
    first = pages[0]
    check_size(*first.size, first.samples * len(pages), expected)
    check_size(1, first.chunk, 1, expected, most=4 * expected.max_pixels)
    check_pages(pages, expected)
    # Pillow misreads the header of a big-endian BigTIFF.
    if len(pages) == 1 and first.is_pillows and not content.startswith(b"MM\0+"):
        return with_pillow(content, picture, expected)
    if first.photometric not in (0, 1, 2, 5) or first.bits < 8:
        raise ImtransError(
            f"a TIFF of {first.bits} bits, {first.samples} samples and photometric "
            f"interpretation {first.photometric} cannot be read. convert it to grey or RGB"
        )
    values = _tiff_values(content, picture, pages, expected)
    values = in_order_of_light(values, first)
    return Stored(values, first.alpha, first.extra[-1:] == (1,), first.orientation)


def check_pages(pages: list[Page], expected: PixelSpec) -> None:
    """Refuse pages that are several images, or of another depth."""
    first = pages[0]
    if len(pages) > 1 and (first.samples > 1 or len({p.dtype for p in pages}) > 1):
        raise ImtransError(f"{len(pages)} pages of one size; one image per file can be read")
    check_dtype(first.dtype, expected)


def in_order_of_light(values: NDArray[Any], page: Page) -> NDArray[Any]:
    """The values of a page, from black to white."""
    if page.photometric != 0:
        return values
    if page.dtype == "float32":
        raise ImtransError("floats that grow from white to black; convert it")
    return np.iinfo(values.dtype).max - values


def _tiff_values(
    content: bytes, picture: Picture, pages: list[Page], expected: PixelSpec
) -> NDArray[Any]:
    """The values (H, W, C) of the pages, through kornia_rs if it can, else through tifffile."""
    page = pages[0]
    # It is not asked for what it misreads without a word: planes, white to black, more pages.
    plain = page.plain and len(pages) == 1 and page.compression in (1, 5, 8, 32773, 32946)
    if plain and (page.dtype, page.samples, page.photometric) in WITH_KORNIA:
        mode = "mono" if page.samples == 1 else "rgb"
        with suppress(Exception), _file(content, picture) as path:
            values = with_kornia("read_image_tiff_u16", path, mode)
            if values.shape == (page.size[1], page.size[0], page.samples):
                return values
    return _with_tifffile(content, pages, expected)


@contextmanager
def _file(content: bytes, picture: Picture) -> Iterator[str]:
    """A file of its own for what is none: kornia_rs reads TIFF by path only."""
    if not picture.member and picture.content is None:
        yield picture.path
        return
    with tempfile.NamedTemporaryFile(suffix=".tif") as file:
        file.write(content)
        file.flush()
        yield file.name


def pages_of(file: BinaryIO) -> list[Page]:
    """The pages of a TIFF that have the size of the first; previews and masks are left out."""
    with opened(file) as tiff:
        return pages_in(tiff)


def opened(file: BinaryIO) -> TiffFile:
    """A TIFF, of which tifffile looks at the directories alone: what microscopes write beside them
    would be followed wherever it leads."""
    return TiffFile(file, name="image", is_lsm=False, is_ndpi=False, is_scanimage=False)


def pages_in(tiff: TiffFile) -> list[Page]:
    """The same of one that is open."""
    pages: list[Page] = []
    seen: set[int] = set()
    with suppress(IndexError):  # behind the last one
        while (found := tiff.pages[len(pages)]).offset not in seen:
            if len(pages) == MAX_PAGES:
                raise ImtransError(f"more than {MAX_PAGES} pages; one image per file can be read")
            seen.add(found.offset)
            assert isinstance(found, TiffPage)  # as it reads them by default
            if len(found.tags) > MAX_TAGS:
                raise ImtransError(f"damaged image: {len(found.tags)} tags")
            pages.append(_page(found))
    whole = [page for page in pages if not page.reduced] or pages
    if not whole:
        raise ImtransError("damaged image: a TIFF without pages")
    return [page for page in whole if page.size == whole[0].size]


def _page(found: TiffPage) -> Page:
    def values(tag: int) -> list[int]:
        stored = found.tags.getall(tag) or []
        if len(stored) > 1:  # one reader would take the first, another one the last
            raise ImtransError(f"damaged image: tag {tag} is there twice")
        return [int(value) for one in stored for value in np.atleast_1d(one.value)]

    def one(tag: int, otherwise: int) -> int:
        different = set(values(tag)) or {otherwise}
        if len(different) > 1:
            raise ImtransError("its channels are of several depths; convert it")
        return different.pop()

    return Page(
        found,
        (one(256, 0), one(257, 0)),
        bits=one(258, 1),
        kind=one(339, 1),
        samples=one(277, 1),
        extra=tuple(values(338)),
        photometric=one(262, 1),
        compression=one(259, 1),
        orientation=one(274, 1),
        plain=one(284, 1) == one(266, 1) == 1,
        reduced=bool(one(254, 0) & 0b101),
        chunk=one(322, 1) * one(323, 1) * one(277, 1),
    )


def _with_tifffile(content: bytes, pages: list[Page], expected: PixelSpec) -> NDArray[Any]:
    values = []
    for page in pages:
        found = page.found
        planes, depth, height, width, samples = found.shaped
        if (width, height, depth, planes * samples) != (*page.size, 1, page.samples):
            raise ImtransError("damaged image: its header contradicts itself")
        if math.prod(found.chunks) > 4 * expected.max_pixels:
            raise ImtransError("damaged image: a strip larger than any image")
        _check_segments(content, found)
        # A thread of our own is at work already: no more of them.
        array = found.asarray(squeeze=False, maxworkers=1)[:, 0]
        values.append(np.moveaxis(array, 0, 2).reshape(height, width, page.samples))
    return np.concatenate(values, axis=2) if len(values) > 1 else values[0]


def _check_segments(content: bytes, page: Any) -> None:
    """Refuse strips that unpack to more than they may: tifffile would take memory for it all."""
    decompressors: dict[int, Callable[[], Any]] = {
        8: zlib.decompressobj,
        32946: zlib.decompressobj,
        34925: lambda: import_module("lzma").LZMADecompressor(memlimit=2**28),
    }
    if page.compression not in decompressors:
        return  # others grow little, or stop by themselves at the size of the strip
    most = math.prod(page.chunks) * page.dtype.itemsize * 2 + 2**16
    view = memoryview(content)
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=True):
        data = view[start : start + length]
        if _unpacks_to_more(decompressors[page.compression](), data, most):
            raise ImtransError("damaged image: a strip unpacks to more than it may")


def _unpacks_to_more(decompressor: Any, data: memoryview, most: int) -> bool:
    total = 0
    rest: bytes | memoryview = data
    while not decompressor.eof:
        piece = decompressor.decompress(rest, 2**20)
        total += len(piece)
        if total > most:
            return True
        # zlib hands back what it has not read yet, lzma keeps it.
        rest = getattr(decompressor, "unconsumed_tail", b"")
        if not piece and not rest:
            break
    return False
