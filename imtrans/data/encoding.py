"""Between stored pixels and what the networks see, [-1, 1], and what is written and shown of it."""

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Derivation
from imtrans.api.pictures import Picture
from imtrans.data.label_maps import LabelMap
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.formats.stored import Depth, Fitting, PixelSpec
from imtrans.data.pixels.masks import mask_beside
from imtrans.data.pixels.resize import interpolated, resize
from imtrans.data.scale import Size, TrainingScale
from imtrans.recipe.schema import DataTable
from imtrans.recipe.side_table import DTYPE_RANGES, SideTable

ROWS = 32


class Encoding(Protocol):
    """Stored tensors and network tensors are batches (N, C, H, W); results are one image each."""

    source_channels: int  # of what the networks see
    target_channels: int
    result_dtype: Depth  # of what is written
    result_channels: int
    takes_mask: bool  # whether a mask may be beside a picture that is given
    range_text: str  # of the source's stored values, as 0 ... 255
    expected: PixelSpec  # how what a user has is read
    by_pixel: bool  # a pixel's encoding depends on that pixel alone, so that parts are as the whole
    composes: bool  # a result is made of its source too

    def seen(self, pixels: Tensor) -> Tensor:
        """Pixels (C, H, W), read as `expected`, as the networks see them: (1, Cs, H, W)."""
        ...

    def beyond(self, pixels: Tensor) -> float:
        """The share of them that are outside the range of training."""
        ...

    def encode(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """A batch of the sampler as the networks see it, float32 in [-1, 1]."""
        ...

    def given(
        self, picture: Picture, fitting: Fitting = None, scale: TrainingScale | None = None
    ) -> "Given":
        """What a user has, as the networks see it: pixel by pixel, or at a scale. Raises
        ImtransError naming the picture, also where it has more pixels than memory has room for."""
        ...

    def resized(self, output: Tensor, height: int, width: int) -> Tensor:
        """An output (1, C, h, w) at another size, with the filter that suits the target."""
        ...

    def result(self, output: Tensor, source: Tensor) -> Tensor:
        """The image (C, H, W) that an output and its source make, as it is written."""
        ...

    def show_source(self, source: Tensor) -> Tensor:
        """A source as a person can look at it: uint8 (3, H, W)."""
        ...

    def show_target(self, output: Tensor, source: Tensor) -> Tensor:
        """A output, or a target, as a person can look at it: uint8 (3, H, W)."""
        ...


@dataclass(frozen=True)
class Given:
    """A picture that was given to be translated: its `source` (1, C, h, w) in [-1, 1] as a network
    is to see it, and the picture's own `size`, height and width in px. `composed_with`: the source
    that makes a result of an output of that size."""

    source: Tensor
    size: tuple[int, int]
    composed_with: Tensor
    beyond: float = 0.0  # share of its values outside the range of training


class Side:
    """The pixels of one side: their range becomes -1 .. 1; label maps become classes."""

    def __init__(self, table: SideTable) -> None:
        self.table = table
        self.low, self.high = table.range or DTYPE_RANGES[table.dtype]
        self.labels = LabelMap(table) if table.classes else None
        self._tables: dict[torch.device, Tensor] = {}
        self.channels = self.labels.channels if self.labels else table.channels

    def to_unit(self, stored: Tensor) -> Tensor:
        """Stored pixels as float32, their range as 0 .. 1."""
        return stored.to(torch.float32, copy=True).sub_(self.low).div_(self.high - self.low)

    def beyond(self, stored: Tensor) -> float:
        """The share of stored pixels that are outside the range."""
        if self.table.range is None or self.labels:
            return 0.0
        outside = (stored < self.low).sum() + (stored > self.high).sum()
        return float(outside) / stored.numel()

    def from_unit(self, unit: Tensor) -> Tensor:
        """0 .. 1 back to stored pixels; what is beyond is clamped, never wrapped around."""
        return self._stored(unit.to(torch.float32, copy=True))

    def _stored(self, unit: Tensor) -> Tensor:
        """The same, in the place of what is given."""
        values = unit.clamp_(0, 1).mul_(self.high - self.low).add_(self.low)
        return values if self.table.dtype == "float32" else values.round_().to(self.stored_dtype)

    @property
    def stored_dtype(self) -> torch.dtype:
        # int32 holds uint16, which torch can hardly compute with.
        return {"uint8": torch.uint8, "uint16": torch.int32, "float32": torch.float32}[
            self.table.dtype
        ]

    def encode(self, stored: Tensor) -> Tensor:
        """Stored pixels as the networks see them: float32 in [-1, 1]."""
        if self.labels:
            return self.labels.encode(stored)
        if stored.dtype is torch.uint8 and stored.device.type == "cuda":
            return self.looked_up(stored)
        return self._scaled(stored)

    def _scaled(self, stored: Tensor) -> Tensor:
        return self.to_unit(stored).mul_(2).sub_(1)

    def looked_up(self, stored: Tensor) -> Tensor:
        """uint8 pixels encoded by a table that the CPU has computed: GPUs divide otherwise, and of
        256 values 111 would differ in their last bit."""
        device = stored.device
        if device not in self._tables:  # copied once: a CUDA graph can record no copy
            self._tables[device] = self._scaled(torch.arange(256).byte()).to(device)
        return self._tables[device][stored.int()]

    def decode(self, image: Tensor) -> Tensor:
        if self.labels:
            return self.labels.decode(image).to(self.stored_dtype)
        stored = torch.empty(image.shape, dtype=self.stored_dtype, device=image.device)
        # Some rows at a time: of large pictures each copy of all of them is a gigabyte.
        for at in range(0, image.shape[-2], ROWS):
            rows = (..., slice(at, at + ROWS), slice(None))
            stored[rows] = self._stored((image[rows].float() + 1).div_(2))
        return stored

    def at(self, scale: TrainingScale | None, stored: Tensor) -> Tensor:
        """Stored pixels (C, H, W) at a scale: resized as in training."""
        if scale is None:
            return stored
        return self.resized_to(scale.of(stored.shape[-1], stored.shape[-2]), stored)

    def resized_to(self, size: Size, stored: Tensor) -> Tensor:
        """Stored pixels (C, H, W) at a width and height."""
        width, height = size
        return resize(stored, height, width, self.table.resample)

    def resized(self, image: Tensor, height: int, width: int) -> Tensor:
        """What a network sees or makes (N, C, h, w), in [-1, 1], at another size."""
        if image.shape[-2:] == (height, width):
            return image
        # Apple's GPUs have no such filters.
        there = image.cpu() if image.device.type == "mps" else image
        resized = interpolated(there, height, width, self.table.resample)
        return resized.clamp_(-1, 1).to(image.device)

    def show(self, image: Tensor) -> Tensor:
        """uint8 (3, H, W) of the first image: grey, the first three channels, or label colours."""
        if self.labels:
            return self.labels.show(image[0])
        unit = self.to_unit(self.decode(image[0])).cpu()
        return rgb8(unit)


_NEAREST = Side(SideTable(resample="nearest"))


class Direct:
    """Both sides are stored."""

    def __init__(self, data: DataTable) -> None:
        self.source, self.target = Side(data.source), Side(data.target)
        self.source_channels, self.target_channels = self.source.channels, self.target.channels
        self.result_dtype: Depth = data.target.dtype
        labels = self.target.labels
        self.result_channels = labels.stored_channels if labels else data.target.channels
        self.takes_mask = False
        self.range_text = f"{self.source.low:g} ... {self.source.high:g}"
        self.expected = replace(expected_pixels(data, data.source), fixed=True)
        self.by_pixel, self.composes = not data.source.borders, False

    def encode(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return self.source.encode(source), self.target.encode(target)

    def given(
        self, picture: Picture, fitting: Fitting = None, scale: TrainingScale | None = None
    ) -> Given:
        pixels = decode(picture, replace(self.expected, fitting=fitting))
        source = self.seen(self.source.at(scale, pixels))
        size = pixels.shape[-2], pixels.shape[-1]
        return Given(source, size, composed_with=source, beyond=self.beyond(pixels))

    def seen(self, pixels: Tensor) -> Tensor:
        return self.source.encode(pixels[None])

    def beyond(self, pixels: Tensor) -> float:
        return self.source.beyond(pixels)

    def resized(self, output: Tensor, height: int, width: int) -> Tensor:
        return self.target.resized(output, height, width)

    def result(self, output: Tensor, source: Tensor) -> Tensor:
        return self.target.decode(output[0]).cpu()

    def show_source(self, source: Tensor) -> Tensor:
        return self.source.show(source)

    def show_target(self, output: Tensor, source: Tensor) -> Tensor:
        return self.target.show(output)


class Derived:
    """Only photographs are stored; the sampler has derived the sources already."""

    result_dtype: Depth = "uint8"
    result_channels = 3
    range_text = "0 ... 255"

    def __init__(self, derivation: Derivation, data: DataTable) -> None:
        self.derivation, self.target = derivation, Side(data.target)
        self.source_channels = derivation.source_channels
        self.target_channels = derivation.target_channels
        self.takes_mask: bool = getattr(derivation, "takes_mask", False)
        self.by_pixel, self.composes = bool(getattr(derivation, "by_pixel", False)), True
        self.expected = PixelSpec(None, "uint8", "keep", data.max_pixels, fixed=True)

    def encode(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        return source, target

    def given(
        self, picture: Picture, fitting: Fitting = None, scale: TrainingScale | None = None
    ) -> Given:
        pixels = decode(picture, replace(self.expected, fitting=fitting))
        pixels = _grey_as_colour(pixels)
        if self.takes_mask and (mask := mask_beside(picture)):
            pixels = self._with_hole(pixels, mask)
        whole = source = self._source(pixels)
        width, height = pixels.shape[-1], pixels.shape[-2]
        if scale and scale.of(width, height) != (width, height):
            colour, hole = self.target.at(scale, pixels[:3]), _NEAREST.at(scale, pixels[3:])
            source = self._source(torch.cat([colour, hole]))
        # A derivation may enlarge.
        return Given(source, (whole.shape[-2], whole.shape[-1]), composed_with=whole)

    def seen(self, pixels: Tensor) -> Tensor:
        return self._source(_grey_as_colour(pixels))

    def beyond(self, pixels: Tensor) -> float:
        return 0.0

    def _source(self, pixels: Tensor) -> Tensor:
        return self.derivation.given(pixels / 255)[None]

    def resized(self, output: Tensor, height: int, width: int) -> Tensor:
        return self.target.resized(output, height, width)

    def _with_hole(self, pixels: Tensor, mask: Picture) -> Tensor:
        hole = decode(mask, PixelSpec(1, "uint8", "drop", self.expected.max_pixels))
        if hole.shape[1:] != pixels.shape[1:]:
            raise ImtransError(f"{mask}: of another size than its picture")
        colour = pixels.expand(3, -1, -1) if len(pixels) == 1 else pixels[:3]
        return torch.cat([colour, 255 - hole])

    def result(self, output: Tensor, source: Tensor) -> Tensor:
        photo = self.derivation.compose(output[0].cpu(), source[0].cpu())
        return (photo.clamp(0, 1) * 255).round().to(torch.uint8)

    def show_source(self, source: Tensor) -> Tensor:
        return rgb8((source[0].cpu() + 1) / 2)

    def show_target(self, output: Tensor, source: Tensor) -> Tensor:
        return rgb8(self.result(output, source) / 255)


def _grey_as_colour(pixels: Tensor) -> Tensor:
    """Grey with transparency as RGB with transparency; others as they are."""
    if len(pixels) != 2:
        return pixels
    return torch.cat([pixels[:1].expand(3, -1, -1), pixels[1:]])


def expected_pixels(data: DataTable, side: SideTable) -> PixelSpec:
    """How the pictures of a side are to be read."""
    return PixelSpec(side.channels, side.dtype, side.alpha, data.max_pixels)


def rgb8(unit: Tensor) -> Tensor:
    """Any number of channels in [0, 1] as uint8 (3, H, W): one is grey, two are red and green."""
    channels = unit.shape[0]
    if channels == 1:
        unit = unit.expand(3, -1, -1)
    elif channels == 2:
        unit = torch.cat([unit, torch.zeros_like(unit[:1])])
    return (unit[:3].clamp(0, 1) * 255).round().to(torch.uint8)
