"""One cache: pairs at load size in one file, mapped into memory.

pixels.bin   one pair after another: the source's pixels, then the target's, planar (C, H, W)
index.npy    int64 (N, 2, 3): of the source and of the target where it starts, its height, its width
cache.json   what it is of, and how much
"""

import json
import os
import shutil
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imtrans.data.pixels.resize import Window
from imtrans.data.reading import FittedPair, SideName
from imtrans.host.foreign import FAULTS
from imtrans.host.locks import locked
from imtrans.recipe.sizes import Sides, size_of

FORMAT = 2
PIXELS, INDEX, ABOUT = "pixels.bin", "index.npy", "cache.json"
# On disk; in memory uint16 is int32, as everywhere.
DTYPES = {torch.uint8: "uint8", torch.int32: "uint16", torch.float32: "float32"}


class Unusable(Exception):
    """A folder is no whole cache of this version: it is to be built again."""


@dataclass(frozen=True)
class PixelFormat:
    """How the pixels of one side are stored on disk."""

    channels: int
    dtype: str

    @classmethod
    def of(cls, pixels: Tensor) -> "PixelFormat":
        return cls(len(pixels), DTYPES[pixels.dtype])

    def bytes(self, height: int, width: int) -> int:
        return self.channels * height * width * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class About:
    """What a cache holds; `source` is None where it is derived from the target."""

    root: str
    pairs: int
    size: int | Sides  # px, as data.load_size
    bytes: int
    source: PixelFormat | None
    target: PixelFormat
    format: int = FORMAT

    @property
    def bytes_in_memory(self) -> int:
        """Its size as tensors: where uint16 is int32."""
        wide = any(side and side.dtype == "uint16" for side in (self.source, self.target))
        return self.bytes * (2 if wide else 1)


class Cache:
    """Opens a cache. Raises Unusable when it is not whole, or of another version.

    Picklable: each process maps the file for itself.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about = read_about(folder)
        try:
            self._index = np.load(folder / INDEX, allow_pickle=False)
            length = (folder / PIXELS).stat().st_size
        except (OSError, ValueError) as error:
            raise Unusable(f"{folder}: {error}") from error
        if self._index.shape != (self.about.pairs, 2, 3) or length != self.about.bytes:
            raise Unusable(f"{folder}: not whole")
        self._pixels: NDArray[np.uint8] | None = None
        self._held = ExitStack()

    def hold(self, lock: Path) -> None:
        """Let nobody remove it as long as this process lives. Raises Locked when somebody is about
        to."""
        self._held.enter_context(locked(lock, shared=True))
        with suppress(OSError):
            os.utime(lock)  # when it was used last

    def __len__(self) -> int:
        return len(self._index)

    @property
    def one_size(self) -> bool:
        """Whether all sources have the same height and width, and all targets."""
        return bool((self._index[:, :, 1:] == self._index[0, :, 1:]).all())

    def __getitem__(self, index: int) -> FittedPair:
        """The pair at an index from 0: nothing is read before it is cut."""
        target = self.side(index, "target")
        return FittedPair(self.side(index, "source") if self.about.source else target, target)

    def side(self, index: int, name: SideName) -> "CachedSide":
        """One side of the pair at an index; of a source that is to be derived, the target."""
        source = name == "source"
        stored = (self.about.source if source else None) or self.about.target
        start, height, width = self._index[index, 0 if source else 1].tolist()
        if self._pixels is None:
            self._pixels = np.memmap(self.folder / PIXELS, np.uint8, "r")
        part = self._pixels[start : start + stored.bytes(height, width)]
        return CachedSide(part.view(stored.dtype).reshape(stored.channels, height, width))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_pixels": None, "_held": ExitStack()}


@dataclass(frozen=True, slots=True)
class CachedSide:
    """One side of a pair in the cache."""

    pixels: NDArray[Any]  # (C, height, width), mapped from the file

    @property
    def height(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[2])

    def cut(self, window: Window) -> Tensor:
        left, top, width, height = window
        part = self.pixels[:, top : top + height, left : left + width]
        # A copy: the file is mapped read-only, and augmentation may write.
        return torch.from_numpy(part.astype(np.int32 if part.dtype == np.uint16 else part.dtype))


def kept(source: Tensor, target: Tensor) -> list[Tensor]:
    """What a cache keeps of a pair: a source that is the target itself is not stored."""
    return [target] if source is target else [source, target]


class Writer:
    """Writes a cache into a folder, pair by pair, in order. Raises OSError when it cannot."""

    def __init__(self, folder: Path, root: str, size: Sides) -> None:
        self.folder, self.root, self.size = folder, root, size_of(*size)
        self.bytes = 0
        self._rows: list[list[tuple[int, int, int]]] = []
        self._sides: tuple[PixelFormat | None, PixelFormat] | None = None
        folder.mkdir(parents=True)
        self._file = (folder / PIXELS).open("wb")

    def append(self, source: Tensor, target: Tensor) -> None:
        """Add a pair."""
        both = kept(source, target)
        stored = [PixelFormat.of(pixels) for pixels in both]
        sides = (None if len(both) == 1 else stored[0]), stored[-1]
        if self._sides is None:
            self._sides = sides
        assert sides == self._sides, "the reader holds all pairs to the same channels and depth"
        row = [self._write(pixels, side) for pixels, side in zip(both, stored, strict=True)]
        self._rows.append([row[0], row[-1]])

    def _write(self, pixels: Tensor, side: PixelFormat) -> tuple[int, int, int]:
        start, (height, width) = self.bytes, pixels.shape[-2:]
        content = pixels.numpy().astype(side.dtype, copy=False)
        self._file.write(np.ascontiguousarray(content).data)
        self.bytes += content.nbytes
        return start, height, width

    def finish(self) -> None:
        """Write what remains, down to the disk: after this the folder may get its name."""
        assert self._sides is not None
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        with (self.folder / INDEX).open("wb") as file:
            np.save(file, np.array(self._rows, dtype=np.int64))
            file.flush()
            os.fsync(file.fileno())
        about = About(self.root, len(self._rows), self.size, self.bytes, *self._sides)
        with (self.folder / ABOUT).open("w", encoding="utf-8", errors="surrogateescape") as text:
            json.dump(asdict(about), text, indent=1, ensure_ascii=False)
            text.flush()
            os.fsync(text.fileno())

    def discard(self) -> None:
        """Leave nothing behind."""
        self._file.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def read_about(folder: Path) -> About:
    """What a cache says of itself. Raises Unusable."""
    try:
        text = (folder / ABOUT).read_text(encoding="utf-8", errors="surrogateescape")
        values = json.loads(text)
        if values["format"] != FORMAT:
            raise Unusable(f"{folder}: of format {values['format']}; this is {FORMAT}")
        source = PixelFormat(**values["source"]) if values["source"] else None
        target = PixelFormat(**values["target"])
        return About(**{**values, "source": source, "target": target})
    except (OSError, *FAULTS) as error:
        raise Unusable(f"{folder}: {error}") from error
