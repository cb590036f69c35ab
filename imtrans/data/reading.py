"""From a pair of pictures to both its sides at one size, before anything is drawn at random."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.data.encoding import wanted
from imtrans.data.pixels.decode import decode, take_half
from imtrans.data.pixels.formats.stored import Wanted
from imtrans.data.pixels.resize import Window, resize
from imtrans.recipe.schema import DataTable, SideTable

Sample = tuple[Tensor, Tensor]


class Fitted(Protocol):
    """Both sides of a pair at load size: read from files, or from the cache."""

    height: int  # px, of both sides
    width: int

    def cut(self, window: Window) -> Sample:
        """(source, target) within a window, stored pixels (C, window.height, window.width). Where
        the source is to be derived, the target stands for both."""
        ...


class Reader:
    """Reads the pictures of a pair, whatever their size, and brings them to one."""

    def __init__(self, data: DataTable) -> None:
        self.data = data

    def open(self, pair: Pair, size: int) -> "Decoded":
        """Both sides of a pair at `size` px, as data.resize understands it.

        Raises ImtransError, naming the pictures, when one cannot be read, or when the sides are
        not of one shape.
        """
        source, target = self._stored(pair, size)
        if source is not target:
            _same_shape(pair, source, target)
        height, width = self._fit(target.shape[-2], target.shape[-1], size)
        return Decoded(source, target, height, width, self.data)

    def _fit(self, height: int, width: int, size: int) -> tuple[int, int]:
        if self.data.resize == "square":
            return size, size
        scale = size / min(height, width)
        return round(height * scale), round(width * scale)

    def _stored(self, pair: Pair, size: int) -> Sample:
        forth = self.data.direction == "AtoB"
        sources, targets = (pair.a, pair.b) if forth else (pair.b, pair.a)
        if self.data.source == self.data.target and _are_halves(pair):
            return self._halves(sources[0], targets[0], size)  # of one file: it is decoded once
        target = self._side(targets, self.data.target, size)
        if self.data.derive:
            return target, target
        return self._side(sources, self.data.source, size), target

    def _halves(self, source: Picture, target: Picture, size: int) -> Sample:
        whole = decode(replace(target, half=None), self._wanted(self.data.target, size, True))
        try:
            return take_half(whole, source.half), take_half(whole, target.half)
        except ImtransError as error:
            raise ImtransError(f"{target}: {error}") from error

    def _side(self, pictures: Sequence[Picture], side: SideTable, size: int) -> Tensor:
        halves = pictures[0].half is not None
        if len(pictures) == 1:
            return decode(pictures[0], self._wanted(side, size, halves))
        each = self._wanted(side.model_copy(update={"channels": None}), size, halves)
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

    def _wanted(self, side: SideTable, size: int, halves: bool) -> Wanted:
        draft = (size * 2 if halves else size, size) if self.data.draft else None
        return replace(wanted(self.data, side), draft=draft)


@dataclass(frozen=True)
class Decoded:
    """Both sides as their files hold them; what is cut out is resized while it is cut."""

    source: Tensor
    target: Tensor
    height: int
    width: int
    data: DataTable

    def cut(self, window: Window) -> Sample:
        target = self._resized(self.target, self.data.target, window)
        if self.source is self.target:
            return target, target
        return self._resized(self.source, self.data.source, window), target

    def _resized(self, pixels: Tensor, side: SideTable, window: Window) -> Tensor:
        return resize(pixels, self.height, self.width, side.resample, window)


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
