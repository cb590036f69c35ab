"""What is known of one pair: the headers of its files, and a summary of its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.equal_sides import difference
from imtrans.checking.data.pixel_summary import PixelSummary, summarise, viewable
from imtrans.data.encoding import Side, expected_pixels
from imtrans.data.pixels.decode import decode, take_half
from imtrans.data.pixels.formats.header import ImageHeader, header
from imtrans.data.pixels.formats.stored import STORED, PixelSpec
from imtrans.data.pixels.resize import resize
from imtrans.recipe.schema import DataTable
from imtrans.recipe.side_table import SideTable

Problem = Literal["", "unreadable", "unfit", "transparent"]
Size = tuple[int, int]  # px, width and height
Decoded = dict[tuple[Picture, PixelSpec], Tensor | ImtransError]


@dataclass(frozen=True, slots=True)
class InspectedFile:
    """One picture of a side."""

    size: Size | None  # upright, after EXIF rotation; of a half of a file, the half's
    header: ImageHeader | None
    problem: Problem = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class InspectedSide:
    """The pictures of a side, and a summary of their joined pixels if they were decoded."""

    files: tuple[InspectedFile, ...]
    summary: PixelSummary | None = None

    @property
    def size(self) -> Size | None:
        return self.summary.size if self.summary else self.files[0].size


@dataclass(frozen=True, slots=True)
class InspectedPair:
    """Both sides of a pair; None for a source that is derived from the target. Unpaired pictures
    are inspected one at a time: the other side is None.

    `apart`: how much the sides differ, as a share of the contrast of both (root mean squares); None
    where they cannot be compared.
    """

    source: InspectedSide | None
    target: InspectedSide | None
    apart: float | None = None

    @property
    def sides(self) -> tuple[InspectedSide, ...]:
        return tuple(side for side in (self.source, self.target) if side)


@dataclass(frozen=True, slots=True)
class Views:
    """The sides as viewable images: uint8 (3, h, w), at most 256 px a side; if both are there, of
    one size."""

    source: Tensor | None
    target: Tensor | None


def sources_and_targets(
    pair: Pair, data: DataTable
) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """The pictures of a pair, by their role in training."""
    return (pair.a, pair.b) if data.direction == "AtoB" else (pair.b, pair.a)


def inspect_pair_headers(pair: Pair, data: DataTable) -> InspectedPair:
    """Read the headers of a pair's files."""
    sources, targets = sources_and_targets(pair, data)
    source = _side_by_headers(sources, data.source) if sources and not data.derive else None
    return InspectedPair(source, _side_by_headers(targets, data.target) if targets else None)


def inspect_pair(pair: Pair, data: DataTable) -> tuple[InspectedPair, Views]:
    """Decode a pair; if it has both sides, there are views only if both are readable and of one
    shape."""
    sources, targets = sources_and_targets(pair, data)
    decoded: Decoded = {}  # a file with both halves is decoded once
    target, target_view = _side(targets, data, data.target, decoded) if targets else (None, None)
    if data.derive:
        return InspectedPair(None, target), Views(None, None)
    source, source_view = _side(sources, data, data.source, decoded) if sources else (None, None)
    inspected = InspectedPair(source, target)
    if source is None or target is None:
        return inspected, Views(source_view, target_view)
    if source_view is None or target_view is None or not _of_one_shape(source, target):
        return inspected, Views(None, None)
    views = _views(source_view, target_view)
    return replace(inspected, apart=difference(views)), views


def _of_one_shape(source: InspectedSide, target: InspectedSide) -> bool:
    return bool(source.size and target.size and same_shape(source.size, target.size))


def same_shape(one: Size, other: Size) -> bool:
    """Whether training accepts these sizes for the sides of a pair: of one aspect ratio."""
    off = abs(one[0] * other[1] - other[0] * one[1])
    return off <= max(*one, *other)


def _views(source: Tensor, target: Tensor) -> Views:
    if source.shape != target.shape:
        source = resize(source, target.shape[-2], target.shape[-1], "bilinear")
    return Views(source, target)


def _side_by_headers(pictures: Sequence[Picture], table: SideTable) -> InspectedSide:
    return InspectedSide(tuple(_file(picture, table, len(pictures) > 1) for picture in pictures))


def _file(picture: Picture, table: SideTable, joined: bool) -> InspectedFile:
    """Read a header, and compare it with the recipe."""
    try:
        found = header(picture)
    except ImtransError as error:
        return InspectedFile(None, None, "unreadable", str(error))
    size = (found.size[0] // 2, found.size[1]) if picture.half else found.size
    if fits(found, table, joined):
        return InspectedFile(size, found)
    return InspectedFile(size, found, "unfit", _unfit(found, table))


def fits(found: ImageHeader, table: SideTable, joined: bool = False) -> bool:
    """Whether a picture can be decoded as the recipe requires; if several pictures are joined to
    one side, only the depth is compared."""
    if found.dtype != table.dtype:
        return False
    if joined:
        return True
    stored = found.channels + (found.alpha and table.alpha == "keep")
    convertible = found.colour in ("grey", "RGB", "CMYK") and found.format != ".npy"
    if found.dtype == "uint8" and convertible:
        # To grey or RGB as the recipe requires, with transparency where it is kept.
        return table.channels in ((2, 4, 1, 3) if table.alpha == "keep" else (1, 3))
    return stored == table.channels


def _unfit(found: ImageHeader, table: SideTable) -> str:
    return f"{found.kind}; the recipe says dtype = '{table.dtype}', channels = {table.channels}"


def _side(
    pictures: Sequence[Picture],
    data: DataTable,
    table: SideTable,
    decoded: Decoded,
) -> tuple[InspectedSide, Tensor | None]:
    required = expected_pixels(data, table)
    if len(pictures) > 1:
        required = replace(required, channels=None)
    parts, files = [], []
    for picture in pictures:
        file = _file(picture, table, len(pictures) > 1)
        pixels = _decode(picture, required, decoded)
        if isinstance(pixels, Tensor):
            parts.append(pixels)
            size = (pixels.shape[-1], pixels.shape[-2])
            files.append(InspectedFile(size, file.header))
        else:
            files.append(_refused(picture, file, required, str(pixels)))
    joined = _joined(parts, files, table) if len(parts) == len(pictures) else None
    if joined is None:
        return InspectedSide(tuple(files)), None
    view = viewable(joined)
    return InspectedSide(tuple(files), summarise(joined, Side(table), view)), view


def _decode(picture: Picture, required: PixelSpec, decoded: Decoded) -> Tensor | ImtransError:
    whole = replace(picture, half=None)
    try:
        if (whole, required) not in decoded:
            decoded[whole, required] = _decode_or_error(whole, required)
        pixels = decoded[whole, required]
        return take_half(pixels, picture.half) if isinstance(pixels, Tensor) else pixels
    except ImtransError as error:
        return error


def _decode_or_error(picture: Picture, required: PixelSpec) -> Tensor | ImtransError:
    try:
        return decode(picture, required)
    except ImtransError as error:
        return error


def _refused(
    picture: Picture, file: InspectedFile, required: PixelSpec, error_text: str
) -> InspectedFile:
    """Why a file could not be decoded: it is damaged, or it is not what the recipe requires."""
    reason = error_text.removeprefix(f"{picture}: ")
    if file.header is None or file.header.dtype not in STORED:
        problem: Problem = "unfit" if file.header else "unreadable"
        return replace(file, problem=problem, reason=reason)
    stored_dtype: Any = file.header.dtype  # a str that is one of STORED, which mypy cannot see
    try:
        decode(picture, PixelSpec(None, stored_dtype, "drop", required.max_pixels))
    except ImtransError as error:
        damage = str(error).removeprefix(f"{picture}: ")
        return replace(file, problem="unreadable", reason=damage)
    problem = file.problem or ("transparent" if file.header.alpha else "unfit")
    return replace(file, problem=problem, reason=file.reason or reason)


def _joined(parts: list[Tensor], files: list[InspectedFile], table: SideTable) -> Tensor | None:
    """The channels of all pictures of a side; None if they do not fit together, which is recorded
    in `files`."""
    if len(parts) == 1:
        return parts[0]
    for place, part in enumerate(parts):
        if part.shape[1:] != parts[0].shape[1:]:
            reason = "its size differs from that of the first picture of its side"
            files[place] = replace(files[place], problem="unfit", reason=reason)
            return None
    joined = torch.cat(parts)
    if len(joined) != table.channels:
        reason = f"{len(joined)} channels in all; the recipe says channels = {table.channels}"
        files[0] = replace(files[0], problem="unfit", reason=reason)
        return None
    return joined
