"""What a picture looks like, in three numbers: how bright, how colourful, how much is cut off."""

from typing import NamedTuple

import torch
from torch import Tensor

GRID = 64  # px a side, on which brightness and colour are measured
FLAT = 2  # levels by which JPEG spreads a single colour


class Look(NamedTuple):
    """Of a view, uint8 (3, h, w)."""

    brightest: float  # the level that 1% of the pixels exceed, of the largest channel
    colour: float  # the difference of the channels, in levels, that 1% of the pixels exceed
    cut: float  # the share of rows at the bottom that are of one colour, 0 ... 1


def look(view: Tensor) -> Look:
    rows, columns = (torch.linspace(0, n - 1, min(n, GRID)).long() for n in view.shape[-2:])
    pixels = view[:, rows][:, :, columns]
    apart = _inner(pixels.amax(0) - pixels.amin(0)).flatten()
    return Look(_exceeded_by(pixels.amax(0).flatten()), _exceeded_by(apart), _cut(_inner(view)))


def _inner(image: Tensor) -> Tensor:
    """Without the columns into which JPEG carries colours of the other half of a file."""
    border = image.shape[-1] // 16
    return image[..., border : image.shape[-1] - border]


def _exceeded_by(values: Tensor) -> float:
    """The value that 1% of all exceed."""
    return float(values.kthvalue(len(values) - len(values) // 100).values)


def _cut(view: Tensor) -> float:
    columns = view[:, :, :: max(1, view.shape[2] // GRID)]
    colour = columns[:, -1:].int().median(2, keepdim=True).values
    other = ((columns.int() - colour).abs() > FLAT).any(2).any(0).nonzero()
    last = int(other[-1]) if len(other) else -1
    return (view.shape[1] - 1 - last) / view.shape[1]
