"""One look at a pair: what its files say of themselves, and facts of the pixels that they hold."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.facts import Facts, facts, viewable
from imtrans.data.encoding import Side, wanted
from imtrans.data.pixels.decode import decode, take_half
from imtrans.data.pixels.formats.header import Header, header
from imtrans.data.pixels.formats.stored import STORED, Wanted
from imtrans.data.pixels.resize import resize
from imtrans.recipe.schema import DataTable, SideTable

Problem = Literal["", "unreadable", "unfit", "transparent"]
Size = tuple[int, int]  # px, width and height
Decoded = dict[tuple[Picture, Wanted], Tensor | ImtransError]


@dataclass(frozen=True, slots=True)
class FileLook:
    """One picture of a side."""

    size: Size | None  # upright; of a half, its own
    header: Header | None
    problem: Problem = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SideLook:
    """The pictures of a side, and of all of them together what they hold, if they were decoded."""

    files: tuple[FileLook, ...]
    facts: Facts | None = None

    @property
    def size(self) -> Size | None:
        return self.facts.size if self.facts else self.files[0].size


@dataclass(frozen=True, slots=True)
class Look:
    """Both sides of a pair; a source that is derived has no look of its own, and unpaired there is
    one side at a time."""

    source: SideLook | None
    target: SideLook | None

    @property
    def sides(self) -> tuple[SideLook, ...]:
        return tuple(side for side in (self.source, self.target) if side)


@dataclass(frozen=True, slots=True)
class Views:
    """Both sides as a person sees them: uint8 (3, h, w), at most 256 px a side, and if both are
    there of one size."""

    source: Tensor | None
    target: Tensor | None


def sources_and_targets(
    pair: Pair, data: DataTable
) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """The pictures of a pair by what they are in training."""
    return (pair.a, pair.b) if data.direction == "AtoB" else (pair.b, pair.a)


def glance(pair: Pair, data: DataTable) -> Look:
    """A look at the headers alone."""
    sources, targets = sources_and_targets(pair, data)
    source = _glance(sources, data.source) if sources and not data.derive else None
    return Look(source, _glance(targets, data.target) if targets else None)


def look(pair: Pair, data: DataTable) -> tuple[Look, Views]:
    """A look at all of it; of a whole pair there are views where both sides are stored, read and of
    one shape."""
    sources, targets = sources_and_targets(pair, data)
    decoded: Decoded = {}  # both halves of a file are decoded once
    target, target_view = _look(targets, data, data.target, decoded) if targets else (None, None)
    if data.derive:
        return Look(None, target), Views(None, None)
    source, source_view = _look(sources, data, data.source, decoded) if sources else (None, None)
    seen = Look(source, target)
    if source is None or target is None:
        return seen, Views(source_view, target_view)
    if source_view is None or target_view is None or not _of_one_shape(source, target):
        return seen, Views(None, None)
    return seen, _views(source_view, target_view)


def _of_one_shape(source: SideLook, target: SideLook) -> bool:
    return bool(source.size and target.size and same_shape(source.size, target.size))


def same_shape(one: Size, other: Size) -> bool:
    """Whether a training takes them: one may be larger, but neither may be squeezed."""
    off = abs(one[0] * other[1] - other[0] * one[1])
    return off <= max(*one, *other)


def _views(source: Tensor, target: Tensor) -> Views:
    if source.shape != target.shape:
        source = resize(source, target.shape[-2], target.shape[-1], "bilinear")
    return Views(source, target)


def _glance(pictures: Sequence[Picture], table: SideTable) -> SideLook:
    return SideLook(tuple(_file(picture, table, len(pictures) > 1) for picture in pictures))


def _file(picture: Picture, table: SideTable, joined: bool) -> FileLook:
    """What a header says, and whether that is what the recipe says."""
    try:
        said = header(picture)
    except ImtransError as error:
        return FileLook(None, None, "unreadable", str(error))
    size = (said.size[0] // 2, said.size[1]) if picture.half else said.size
    if fits(said, table, joined):
        return FileLook(size, said)
    return FileLook(size, said, "unfit", _unfit(said, table))


def fits(said: Header, table: SideTable, joined: bool = False) -> bool:
    """Whether a picture can be decoded as the recipe's; of several on a side only the depth."""
    if said.dtype != table.dtype:
        return False
    if joined:
        return True
    stored = said.channels + (said.alpha and table.alpha == "keep")
    if said.dtype == "uint8" and said.colour in ("grey", "RGB", "CMYK") and said.format != ".npy":
        # These become grey or RGB as wanted, with transparency where it is kept.
        return table.channels in ((2, 4, 1, 3) if table.alpha == "keep" else (1, 3))
    return stored == table.channels


def _unfit(said: Header, table: SideTable) -> str:
    return f"{said.kind}; the recipe says dtype = '{table.dtype}', channels = {table.channels}"


def _look(
    pictures: Sequence[Picture],
    data: DataTable,
    table: SideTable,
    decoded: Decoded,
) -> tuple[SideLook, Tensor | None]:
    want = wanted(data, table)
    if len(pictures) > 1:
        want = replace(want, channels=None)
    parts, files = [], []
    for picture in pictures:
        seen = _file(picture, table, len(pictures) > 1)
        pixels = _decode(picture, want, decoded)
        if isinstance(pixels, Tensor):
            parts.append(pixels)
            size = (pixels.shape[-1], pixels.shape[-2])
            files.append(FileLook(size, seen.header))
        else:
            files.append(_refused(picture, seen, want, str(pixels)))
    joined = _joined(parts, files, table) if len(parts) == len(pictures) else None
    if joined is None:
        return SideLook(tuple(files)), None
    view = viewable(joined)
    return SideLook(tuple(files), facts(joined, Side(table), view)), view


def _decode(picture: Picture, want: Wanted, decoded: Decoded) -> Tensor | ImtransError:
    whole = replace(picture, half=None)
    try:
        if (whole, want) not in decoded:
            decoded[whole, want] = _or_error(whole, want)
        pixels = decoded[whole, want]
        return take_half(pixels, picture.half) if isinstance(pixels, Tensor) else pixels
    except ImtransError as error:
        return error


def _or_error(picture: Picture, want: Wanted) -> Tensor | ImtransError:
    try:
        return decode(picture, want)
    except ImtransError as error:
        return error


def _refused(picture: Picture, seen: FileLook, want: Wanted, said: str) -> FileLook:
    """Why it was refused: is it damaged, or whole and something else than the recipe says?"""
    reason = said.removeprefix(f"{picture}: ")
    if seen.header is None or seen.header.dtype not in STORED:
        problem: Problem = "unfit" if seen.header else "unreadable"
        return replace(seen, problem=problem, reason=reason)
    as_it_is = Wanted(None, seen.header.dtype, "drop", want.max_pixels)  # type: ignore[arg-type]
    try:
        decode(picture, as_it_is)
    except ImtransError as error:
        damage = str(error).removeprefix(f"{picture}: ")
        return replace(seen, problem="unreadable", reason=damage)
    problem = seen.problem or ("transparent" if seen.header.alpha else "unfit")
    return replace(seen, problem=problem, reason=seen.reason or reason)


def _joined(parts: list[Tensor], files: list[FileLook], table: SideTable) -> Tensor | None:
    """The channels of all pictures of a side; what does not fit together is noted in `files`."""
    if len(parts) == 1:
        return parts[0]
    for place, part in enumerate(parts):
        if part.shape[1:] != parts[0].shape[1:]:
            reason = "of another size than the first picture of its side"
            files[place] = replace(files[place], problem="unfit", reason=reason)
            return None
    joined = torch.cat(parts)
    if len(joined) != table.channels:
        reason = f"{len(joined)} channels together; the recipe says channels = {table.channels}"
        files[0] = replace(files[0], problem="unfit", reason=reason)
        return None
    return joined
