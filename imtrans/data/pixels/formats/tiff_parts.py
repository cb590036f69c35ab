"""Parts of a TIFF's page, of which only the strips or tiles that they touch are unpacked."""

import io
import struct
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from imtrans.api.errors import ImtransError
from imtrans.data.pixels.formats.tiff import Page

NONE, JPEG, LZMA = 1, 7, 34925
DEFLATE = (8, 32946)
WITH_LIBTIFF = (5, 32773)  # LZW and PackBits: bytes, whatever they mean
UNPACKED = (NONE, JPEG, LZMA, *DEFLATE, *WITH_LIBTIFF)
KEPT = 2**26  # bytes of unpacked strips or tiles that are kept for the next part
LARGEST = 2**28  # bytes of one
MEMORY = 2**28  # bytes that unpacking LZMA may take


def has_parts(page: Page) -> bool:
    """Whether its parts can be read by themselves."""
    found = page.found
    jpeg = page.compression == JPEG
    rightly = page.photometric in (0, 1, 2) or (jpeg and page.photometric == 6)
    return (
        page.compression in UNPACKED
        and rightly
        and page.orientation == 1
        and page.bits in (8, 16, 32)
        and page.dtype in ("uint8", "uint16", "float32")
        and found.fillorder == found.imagedepth == 1
        and (jpeg or found.predictor in (1, 2, 3))
        and not (jpeg and (page.dtype != "uint8" or found.planarconfig == 2))
        and page.extra[-1:] != (1,)  # premultiplied: refused, or another program's work
    )


class TiffParts:
    """Reads parts of a page from its file, which has to stay open."""

    def __init__(self, file: BinaryIO, page: Page) -> None:
        self._file, self._page, found = file, page, page.found
        self._size = file.seek(0, io.SEEK_END)
        self._dtype = np.dtype(page.dtype).newbyteorder(found.parent.byteorder)
        width, height = page.size
        self._planes = page.samples if found.planarconfig == 2 else 1
        self._samples = page.samples // self._planes
        self._rows, self._columns = min(found.rowsperstrip or height, height), width
        if found.is_tiled:
            self._rows, self._columns = found.tilelength, found.tilewidth
        if self._rows < 1 or self._columns < 1:
            raise ImtransError("damaged image: its strips have no pixels")
        self._down, self._across = -(-height // self._rows), -(-width // self._columns)
        if len(found.dataoffsets) < self._down * self._across * self._planes:
            raise ImtransError("damaged image: it has fewer strips than its size asks for")
        self._unpacked: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._bytes = 0
        whole = self._rows * self._columns * self._samples * self._dtype.itemsize
        if page.compression != NONE and whole > LARGEST:
            raise ImtransError(
                f"its strips unpack to {whole / 2**20:,.0f} MB each, which is too much to read it "
                "in parts. save it in tiles"
            )

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """The values (height, width, C) of a part within the page, in the machine's byte order."""
        part = np.empty((height, width, self._page.samples), self._dtype.newbyteorder("="))
        rows = range(top // self._rows, (top + height - 1) // self._rows + 1)
        columns = range(left // self._columns, (left + width - 1) // self._columns + 1)
        for plane in range(self._planes):
            channels = slice(plane * self._samples, (plane + 1) * self._samples)
            for down in rows:
                for across in columns:
                    self._paste(part[..., channels], top, left, plane, down, across)
        return part

    def _paste(
        self, part: NDArray[Any], top: int, left: int, plane: int, down: int, across: int
    ) -> None:
        """Copy what a part, which begins at `top` and `left`, has of one strip or tile."""
        y, x = down * self._rows, across * self._columns
        first, end = max(top, y), min(top + part.shape[0], y + self._rows)
        begin, stop = max(left, x), min(left + part.shape[1], x + self._columns)
        index = (plane * self._down + down) * self._across + across
        rows = self._rows_of(index, y, first - y, end - first)
        part[first - top : end - top, begin - left : stop - left] = rows[:, begin - x : stop - x]

    def _rows_of(self, index: int, y: int, first: int, count: int) -> NDArray[Any]:
        """Some rows of a strip or tile, which begins in row `y` of the page."""
        found = self._page.found
        start, size = found.dataoffsets[index], found.databytecounts[index]
        shape = (count, self._columns, self._samples)
        if not start or not size:  # left out where there is nothing, as GDAL does
            return np.full(shape, found.nodata, self._dtype.newbyteorder("="))
        if self._page.compression == NONE:
            # Of an uncompressed image, which is often one strip, only what is asked for is read.
            in_row = self._columns * self._samples * self._dtype.itemsize
            data = self._bytes_at(start + first * in_row, count * in_row)
            return self._values(data, count)
        if index not in self._unpacked:
            in_strip = self._rows if found.is_tiled else min(self._rows, self._page.size[1] - y)
            self._keep(index, self._unpack(self._bytes_at(start, size), in_strip))
        self._unpacked.move_to_end(index)
        return self._unpacked[index][first : first + count]

    def _bytes_at(self, start: int, size: int) -> bytes:
        if start + size > self._size:  # asked for before, since reading takes memory for all of it
            raise ImtransError("damaged image: its file ends within it")
        self._file.seek(start)
        return self._file.read(size)

    def _keep(self, index: int, values: NDArray[Any]) -> None:
        while self._unpacked and self._bytes + values.nbytes > KEPT:
            self._bytes -= self._unpacked.popitem(last=False)[1].nbytes
        self._unpacked[index] = values
        self._bytes += values.nbytes

    def _unpack(self, data: bytes, rows: int) -> NDArray[Any]:
        compression, in_row = self._page.compression, self._columns * self._samples
        if compression == JPEG:
            values = _jpeg(data, self._page, self._columns, rows)
            if values.shape != (rows, self._columns, self._samples):
                raise ImtransError("damaged image: its header contradicts itself")
            return values
        in_row *= self._dtype.itemsize
        if compression in WITH_LIBTIFF:
            tags = {258: (3, 8), 259: (3, compression), 262: (3, 1), 277: (3, 1)}
            data = _with_libtiff(data, tags, in_row, rows).tobytes()
        else:
            # No more than it may have: a bomb is not unpacked any further.
            data = _unpacker(compression).decompress(data, rows * in_row)
        if len(data) < rows * in_row:
            raise ImtransError("damaged image: a strip ends too early")
        return self._values(data, rows)

    def _values(self, data: bytes, rows: int) -> NDArray[Any]:
        predictor = self._page.found.predictor
        if predictor == 3 and self._page.compression != NONE:
            return self._from_differing_bytes(data, rows)
        values = np.frombuffer(data, self._dtype, rows * self._columns * self._samples)
        values = values.reshape(rows, self._columns, self._samples)
        values = values.astype(self._dtype.newbyteorder("="), copy=False)
        if predictor == 2 and self._page.compression != NONE:
            same = values.view(f"u{values.itemsize}")
            values = np.cumsum(same, axis=1, dtype=same.dtype).view(values.dtype)
        return values

    def _from_differing_bytes(self, data: bytes, rows: int) -> NDArray[Any]:
        """Floats whose bytes are sorted by their order, and differ from those of the last pixel."""
        size, in_row = self._dtype.itemsize, self._columns * self._samples
        stored = np.frombuffer(data, np.uint8, rows * in_row * size)
        stored = stored.reshape(rows, self._columns * size, self._samples)
        summed = np.cumsum(stored, axis=1, dtype=np.uint8).reshape(rows, size, in_row)
        values = np.ascontiguousarray(summed.transpose(0, 2, 1)).view(f">f{size}")
        values = values.reshape(rows, self._columns, self._samples)
        return values.astype(self._dtype.newbyteorder("="))


def _unpacker(compression: int) -> Any:
    if compression == LZMA:
        return import_module("lzma").LZMADecompressor(memlimit=MEMORY)
    return zlib.decompressobj()


def _jpeg(data: bytes, page: Page, columns: int, rows: int) -> NDArray[Any]:
    subsampling = page.found.tags.valueof(530) or (2, 2)
    tags: dict[int, tuple[int, int | bytes]] = {
        258: (3, struct.pack("<4H", 8, 8, 8, 8)[: 2 * page.samples]),
        259: (3, JPEG),
        262: (3, page.photometric),
        277: (3, page.samples),
    }
    if page.photometric == 6:
        tags[530] = (3, struct.pack("<2H", *subsampling))
    if page.alpha:
        tags[338] = (3, 2)
    if tables := page.found.jpegtables:
        tags[347] = (7, bytes(tables))
    return np.atleast_3d(_with_libtiff(data, tags, columns, rows))


def _with_libtiff(
    data: bytes, tags: Mapping[int, tuple[int, int | bytes]], columns: int, rows: int
) -> NDArray[Any]:
    """A strip as a TIFF of its own, which Pillow's libtiff unpacks. `tags`: types and values."""
    tags = {**tags, 256: (4, columns), 257: (4, rows), 273: (4, 8)}
    tags |= {278: (4, rows), 279: (4, len(data))}
    body, entries = data + b"\0" * (len(data) % 2), b""
    sizes = {3: 2, 4: 4, 7: 1}
    for tag, (kind, value) in sorted(tags.items()):
        raw = value if isinstance(value, bytes) else value.to_bytes(sizes[kind], "little")
        count = len(raw) // sizes[kind]
        if len(raw) > 4:
            raw, body = struct.pack("<I", 8 + len(body)), body + raw + b"\0" * (len(raw) % 2)
        entries += struct.pack("<HHI", tag, kind, count) + raw.ljust(4, b"\0")
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    file = io.BytesIO(b"II*\0" + struct.pack("<I", 8 + len(body)) + body + directory)
    with TiffImageFile(file) as image:
        return np.asarray(image)
