"""From a pair of pictures to its sides at load size, before anything is drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.data.encoding import expected_pixels
from imtrans.data.pixels.decode import decode, take_half
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.data.pixels.resize import Window, resize
from imtrans.recipe.schema import DataTable
from imtrans.recipe.side_table import SideTable
from imtrans.recipe.sizes import Sides

Sample = tuple[Tensor, Tensor]
SideName = Literal["source", "target"]


class Fitted(Protocol):
    """One side of a pair at load size: read from files, or from the cache."""

    @property
    def height(self) -> int:
        """px"""
        ...

    @property
    def width(self) -> int: ...

    def cut(self, window: Window) -> Tensor:
        """What is within a window: stored pixels (C, window.height, window.width)."""
        ...


@dataclass(frozen=True, slots=True)
class FittedPair:
    """Both sides of a pair at load size: of one height and width if they belong together. Where the
    source is to be derived, it is the target itself."""

    source: Fitted
    target: Fitted

    def cut(self, window: Window) -> Sample:
        """(source, target) within one window."""
        target = self.target.cut(window)
        return (target if self.source is self.target else self.source.cut(window)), target

    def middle(self, size: Sides) -> Sample:
        """Of each side what is in its middle, so high and wide (px)."""
        target = self.target.cut(_middle(self.target, size))
        if self.source is self.target:
            return target, target
        return self.source.cut(_middle(self.source, size)), target

    def whole(self) -> Sample:
        target = self.target.cut(_all(self.target))
        if self.source is self.target:
            return target, target
        return self.source.cut(_all(self.source)), target


class Reader:
    """Reads the pictures of a pair, whatever their size, and brings them to load size: both sides
    to the same size if they belong together (`paired`), else each by itself."""

    def __init__(self, data: DataTable, *, paired: bool = True) -> None:
        self.data, self.paired = data, paired

    def open(self, pair: Pair, size: Sides) -> FittedPair:
        """Both sides of a pair at `size`, as data.resize understands it.

        Raises ImtransError, naming the pictures, when one cannot be read, or when sides that belong
        together are not of one shape.
        """
        source, target = self._stored(pair, size)
        target_fitted = self._fitted(target, self.data.target, target, size)
        if source is target:
            return FittedPair(target_fitted, target_fitted)
        if self.paired:
            _same_shape(pair, source, target)
        like = target if self.paired else source
        return FittedPair(self._fitted(source, self.data.source, like, size), target_fitted)

    def stored(self, pair: Pair) -> Sample:
        """Both sides of a pair as their files hold them. Raises ImtransError as `open`."""
        source, target = self._stored(pair, None)
        if self.paired and source is not target:
            _same_shape(pair, source, target)
        return source, target

    def side(self, pair: Pair, name: SideName, size: Sides) -> Fitted:
        """One side of a pair by itself; of a source that is to be derived, the target."""
        sources, targets = self.sides(pair)
        if name == "target" or self.data.derive:
            pictures, table = targets, self.data.target
        else:
            pictures, table = sources, self.data.source
        pixels = self._side(pictures, table, size)
        return self._fitted(pixels, table, pixels, size)

    def _fitted(self, pixels: Tensor, table: SideTable, like: Tensor, size: Sides) -> "Decoded":
        """These pixels at the size that pixels `like` have when they are fitted."""
        height, width = like.shape[-2:]
        if self.data.resize == "square":
            return Decoded(pixels, *size, table.resample)
        scale = max(size[0] / height, size[1] / width)
        return Decoded(pixels, round(height * scale), round(width * scale), table.resample)

    def sides(self, pair: Pair) -> tuple[Sequence[Picture], Sequence[Picture]]:
        """The pictures of the source, or of what it is derived from, and those of the target."""
        source, target = (pair.a, pair.b) if self.data.direction == "AtoB" else (pair.b, pair.a)
        return (target if self.data.derive else source), target

    def _stored(self, pair: Pair, size: Sides | None) -> Sample:
        sources, targets = self.sides(pair)
        if self.data.source == self.data.target and _are_halves(pair):
            return self._halves(sources[0], targets[0], size)  # of one file: it is decoded once
        target = self._side(targets, self.data.target, size)
        if self.data.derive:
            return target, target
        return self._side(sources, self.data.source, size), target

    def _halves(self, source: Picture, target: Picture, size: Sides | None) -> Sample:
        whole = decode(replace(target, half=None), self._expected(self.data.target, size, True))
        try:
            return take_half(whole, source.half), take_half(whole, target.half)
        except ImtransError as error:
            raise ImtransError(f"{target}: {error}") from error

    def _side(self, pictures: Sequence[Picture], side: SideTable, size: Sides | None) -> Tensor:
        halves = pictures[0].half is not None
        if len(pictures) == 1:
            return decode(pictures[0], self._expected(side, size, halves))
        each = self._expected(side.model_copy(update={"channels": None}), size, halves)
        parts = [decode(picture, each) for picture in pictures]
        for picture, part in zip(pictures, parts, strict=True):
            if part.shape[1:] != parts[0].shape[1:]:
                raise ImtransError(f"{picture}: {_size(part)}; {pictures[0]}: {_size(parts[0])}")
        joined = torch.cat(parts)
        if len(joined) != side.channels:
            raise ImtransError(
                f"{', '.join(map(str, pictures))}: {len(joined)} channels together; "
                f"the recipe says channels = {side.channels}"
            )
        return joined

    def _expected(self, side: SideTable, size: Sides | None, halves: bool) -> PixelSpec:
        draft = None
        if size and self.data.draft:
            draft = size[1] * 2 if halves else size[1], size[0]
        return replace(expected_pixels(self.data, side), draft=draft)


@dataclass(frozen=True, slots=True)
class Decoded:
    """One side as its files hold it; what is cut out is resized while it is cut."""

    pixels: Tensor
    height: int
    width: int
    resample: str

    def cut(self, window: Window) -> Tensor:
        return resize(self.pixels, self.height, self.width, self.resample, window)


def _middle(side: Fitted, size: Sides) -> Window:
    height, width = size
    return Window((side.width - width) // 2, (side.height - height) // 2, width, height)


def _all(side: Fitted) -> Window:
    return Window(0, 0, side.width, side.height)


def _are_halves(pair: Pair) -> bool:
    if len(pair.a) != 1 or len(pair.b) != 1 or pair.a[0].half is None:
        return False
    return replace(pair.a[0], half=None) == replace(pair.b[0], half=None)


def _same_shape(pair: Pair, source: Tensor, target: Tensor) -> None:
    """One side may be larger than the other, but not of another shape: it would be squeezed."""
    (source_height, source_width), (height, width) = source.shape[-2:], target.shape[-2:]
    off = abs(source_width * height - width * source_height)
    if off > max(source_width, source_height, width, height):
        raise ImtransError(
            f"{pair.a[0]} and {pair.b[0]}: the source is {_size(source)}, the target "
            f"{_size(target)}: not the same shape. crop one of them"
        )


def _size(pixels: Tensor) -> str:
    return f"{pixels.shape[-1]} x {pixels.shape[-2]}"
