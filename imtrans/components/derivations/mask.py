"""Inpainting: the source is the photograph with a hole.

Pathak et al., "Context Encoders: Feature Learning by Inpainting", CVPR 2016; with pix2pix in Isola
et al. 2017, section 6.2. The strokes follow Yu et al., "Free-Form Image Inpainting with Gated
Convolution", ICCV 2019.

A hole is computed from a field, the distance of every pixel to points or lines: the nearest pixels
are masked, so many that they cover the drawn share exactly, without trial and error.
"""

import math
from random import Random
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.photographs import photograph

Share = Annotated[float, Field(gt=0, lt=1)]
Point = tuple[float, float]


@hookimpl
def register_derivations(register: Register) -> None:
    register("mask", Mask)


class Mask:
    """The source is the photograph with its hole in grey (0), and the mask (+1 hole, -1 known) as a
    fourth channel; the target is RGB. Outside the hole the output is exactly the source.

    The hole covers between `min_share` and `max_share` of the picture, to within one of its rows
    or columns. Raises ValueError for min_share > max_share.

    In translation the hole is where the input is transparent (alpha below one half), or where a
    mask next to it, NAME.mask.png for NAME.jpg, is white.
    """

    source_channels = 4
    target_channels = 3
    takes_mask = True

    def __init__(
        self,
        *,
        kind: Literal["rectangles", "strokes"] = "rectangles",
        min_share: Share = 0.1,
        max_share: Share = 0.4,
    ) -> None:
        if min_share > max_share:
            raise ValueError(f"min_share = {min_share} is above max_share = {max_share}")
        self.field = _rectangles if kind == "rectangles" else _strokes
        self.min_share = min_share
        self.max_share = max_share

    def derive(self, photo: Tensor, draw: Random) -> Tensor:
        height, width = photograph(photo).shape[1:]
        share = draw.uniform(self.min_share, self.max_share)
        return _source(photo, _grow(self.field(height, width, draw), share))

    def target(self, photo: Tensor) -> Tensor:
        return photograph(photo) * 2 - 1

    def given(self, picture: Tensor) -> Tensor:
        if picture.shape[0] != 4:
            raise ValueError(
                "the picture has no transparency, so the hole is unknown. make the hole "
                "transparent and save it as PNG, or put a mask next to it, NAME.mask.png, with the "
                "hole in white"
            )
        return _source(picture[:3], picture[3] < 0.5)

    def compose(self, output: Tensor, source: Tensor) -> Tensor:
        photo, mask = source[..., :3, :, :], source[..., 3:, :, :]
        return ((torch.where(mask > 0, output, photo) + 1) / 2).clamp(0, 1)


def _source(photo: Tensor, hole: Tensor) -> Tensor:
    known = (photo * 2 - 1).masked_fill(hole, 0)
    return torch.cat([known, hole.to(photo.dtype)[None] * 2 - 1])


def _grow(field: Tensor, share: float) -> Tensor:
    """The nearest `share` of the pixels of a field (H, W), and those as near as the last of
    them."""
    count = max(1, round(share * field.numel()))
    return field <= field.flatten().kthvalue(count).values


def _rectangles(height: int, width: int, draw: Random) -> Tensor:
    """The field of one to four rectangles of different sizes, at most twice as long as wide."""
    x, y = _pixels(height, width)
    field = torch.full((height, width), math.inf)
    for _ in range(draw.randint(1, 4)):
        left, top = draw.uniform(0, width), draw.uniform(0, height)
        size, stretch = draw.uniform(0.4, 1), 2 ** draw.uniform(-0.5, 0.5)
        across, down = (x - left).abs() / stretch, (y - top).abs() * stretch
        field = torch.minimum(field, torch.maximum(across, down) / size)
    return field


def _strokes(height: int, width: int, draw: Random) -> Tensor:
    """The field of two to five zigzag strokes of a round brush."""
    x, y = _pixels(height, width)
    field = torch.full((height, width), math.inf)
    for _ in range(draw.randint(2, 5)):
        brush = draw.uniform(0.4, 1)
        points = _scribble(height, width, draw)
        for start, end in zip(points, points[1:], strict=False):
            field = torch.minimum(field, _distance(x, y, start, end) / brush)
    return field


def _scribble(height: int, width: int, draw: Random) -> list[Point]:
    """The corners of a zigzag stroke within the picture."""
    x, y = draw.uniform(0, width), draw.uniform(0, height)
    heading, side, points = draw.uniform(0, 2 * math.pi), 1, [(x, y)]
    for _ in range(draw.randint(4, 8)):
        length = draw.uniform(0.1, 0.4) * math.sqrt(height * width)
        x = min(max(x + length * math.cos(heading), 0.0), float(width))
        y = min(max(y + length * math.sin(heading), 0.0), float(height))
        points.append((x, y))
        heading += side * draw.uniform(0.4, 0.9) * math.pi
        side = -side
    return points


def _distance(x: Tensor, y: Tensor, start: Point, end: Point) -> Tensor:
    """The distance of every pixel to the line between two points."""
    along, down = end[0] - start[0], end[1] - start[1]
    squared = max(along**2 + down**2, 1e-9)  # the two points may be one
    x, y = x - start[0], y - start[1]
    nearest = ((x * along + y * down) / squared).clamp(0, 1)
    return torch.hypot(x - nearest * along, y - nearest * down)


def _pixels(height: int, width: int) -> tuple[Tensor, Tensor]:
    """The centres of the columns (1, W) and of the rows (H, 1)."""
    return torch.arange(width)[None] + 0.5, torch.arange(height)[:, None] + 0.5
