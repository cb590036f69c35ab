"""A TIFF written from its first row to its last, of which memory never holds more than some."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.data.pixels.encode import SIGNED, TIFF, encode
from imtrans.data.pixels.formats.stored import Depth
from imtrans.data.pixels.formats.tiff import MAGIC, opened, pages_in
from imtrans.data.pixels.formats.tiff_tags import KeptTags, kept_tags
from imtrans.host.files import beside, make_folders

TILE = 256  # px
WORKERS, BUFFER = 4, 2**24  # threads that compress, and bytes that they compress at a time
CLASSIC = 2**32 - 2**25  # bytes of pixels that offsets of 32 bits reach, and some for tags


class CannotWrite(ImtransError):
    """A result has no place: on a full disk, in a folder that nobody may write to."""


class Shape(NamedTuple):
    """What the rows together are."""

    height: int
    width: int
    channels: int
    dtype: Depth


def write_rows(
    rows: Iterator[Tensor],
    path: Path,
    shape: Shape,
    tags: KeptTags | None = None,
    *,
    packed: bool = False,
) -> None:
    """Write stored pixels (C, h, W), which follow each other from the top, as a TIFF of tiles;
    `packed`, losslessly compressed. Of 4 GB and more it is a BigTIFF.

    Written beside and renamed: an interruption leaves no half image under a good name. What `rows`
    raises goes on as it is. Raises CannotWrite, naming the file, when it cannot be written.
    """
    if path.suffix.lower() not in TIFF:
        raise ValueError(f"{path}: rows are written as TIFF alone")
    tiles = _Tiles(rows, shape)
    partial = beside(path, "partial")
    try:
        make_folders(path.parent)
        _write(tiles, partial, shape, tags or KeptTags(), packed)
        os.replace(partial, path)
    except Exception as error:
        if tiles.raised is not None:
            raise tiles.raised from None
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise CannotWrite(f"{path}: cannot be written: {reason}") from error
    finally:
        with suppress(OSError):  # also where there is no folder for it
            partial.unlink()


def encode_like(
    source: Path, pixels: Tensor, path: Path, dtype: Depth, quality: int | None = None
) -> None:
    """`encode`; from one TIFF into another of its size with the tags that hold for both."""
    channels, height, width = pixels.shape
    if path.suffix.lower() not in TIFF:
        return encode(pixels, path, dtype, quality)
    tags = _tags_of(source, (width, height), channels, dtype)
    if tags == KeptTags():
        encode(pixels, path, dtype)
    else:
        write_rows(iter([pixels]), path, Shape(height, width, channels, dtype), tags)


def _tags_of(source: Path, size: tuple[int, int], channels: int, dtype: Depth) -> KeptTags:
    """What a result keeps of a file; of one that is no TIFF, or of another size, nothing."""
    try:
        with source.open("rb") as file:
            if file.read(4) not in MAGIC:
                return KeptTags()
            file.seek(0)
            with opened(file) as tiff:
                page = pages_in(tiff)[0]
                return kept_tags(page, channels, dtype) if page.size == size else KeptTags()
    except Exception:  # its pixels have been read: what is odd in its tags is no obstacle
        return KeptTags()


def _write(
    tiles: Iterator[NDArray[Any]], path: Path, shape: Shape, tags: KeptTags, packed: bool
) -> None:
    height, width, channels, dtype = shape
    bytes_ = height * width * channels * np.dtype(dtype).itemsize
    with TiffWriter(path, bigtiff=bytes_ > CLASSIC) as tiff:
        tiff.write(
            tiles,
            shape=(height, width) if channels == 1 else (height, width, channels),
            dtype=dtype,
            tile=(TILE, TILE),
            photometric="rgb" if channels == 3 else "minisblack",
            planarconfig=None if channels == 1 else "contig",
            compression="zlib" if packed else None,
            predictor=packed and dtype != "float32",  # of floats: only with another package
            resolution=tags.resolution,  # type: ignore[arg-type]  # fractions are numbers too
            resolutionunit=tags.unit,
            iccprofile=tags.profile,
            extratags=tags.extra,
            software=SIGNED[1],
            metadata=None,
            maxworkers=WORKERS,
            buffersize=BUFFER,
        )


class _Tiles:
    """The tiles of rows, line by line: (h, w, C) with at most TILE px a side; (h, w) of one
    channel. Keeps what `rows` raises, which is no fault of the writing."""

    def __init__(self, rows: Iterator[Tensor], shape: Shape) -> None:
        self._rows, self._shape = rows, shape
        self._tiles = self._all()
        self.raised: Exception | None = None

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return self

    def __next__(self) -> NDArray[Any]:
        return next(self._tiles)

    def _all(self) -> Iterator[NDArray[Any]]:
        for line in self._lines():
            for left in range(0, self._shape.width, TILE):
                # A copy: threads compress it while the line gets other rows.
                tile = line[:, left : left + TILE].copy()
                yield tile[..., 0] if self._shape.channels == 1 else tile

    def _lines(self) -> Iterator[NDArray[Any]]:
        """All rows, TILE at a time (h, W, C)."""
        height, width, channels, dtype = self._shape
        line, filled = np.empty((TILE, width, channels), dtype), 0
        left = height
        for rows in self._given():
            values = rows.permute(1, 2, 0).numpy()
            while len(values):
                count = min(len(values), TILE - filled)
                line[filled : filled + count] = values[:count]
                values, filled, left = values[count:], filled + count, left - count
                if filled == TILE or not left:
                    yield line[:filled]
                    filled = 0
        assert left == 0, f"{left} of {height} rows were not given"

    def _given(self) -> Iterator[Tensor]:
        try:
            yield from self._rows
        except Exception as error:
            self.raised = error
            raise
