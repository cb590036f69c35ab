"""What a picture looks like, in three numbers: how bright, how colourful, how much is cut off."""

from typing import NamedTuple

import torch
from torch import Tensor

GRID = 64  # px a side, on which brightness and colour are measured
BORDER = 8  # px without which rows are compared: JPEG carries colours over from the other half
FLAT = 2  # levels by which JPEG spreads a single colour


class Look(NamedTuple):
    """Of a view, uint8 (3, h, w)."""

    brightest: float  # the level that 1% of the pixels exceed, of the largest channel
    colour: float  # the difference of the channels, in levels, that 5% of the pixels exceed
    cut: float  # the share of rows at the bottom that are of one colour, 0 ... 1


def look(view: Tensor) -> Look:
    rows, columns = (torch.linspace(0, n - 1, min(n, GRID)).long() for n in view.shape[-2:])
    pixels = view[:, rows][:, :, columns].flatten(1)
    largest = pixels.amax(0)
    apart = largest - pixels.amin(0)
    return Look(_exceeded_by(largest, 0.01), _exceeded_by(apart, 0.05), _cut(view))


def _exceeded_by(values: Tensor, share: float) -> float:
    return float(values.kthvalue(len(values) - int(share * len(values))).values)


def _cut(view: Tensor) -> float:
    border = min(BORDER, view.shape[2] // 8)
    inner = view[:, :, border : view.shape[2] - border].int()
    colour = inner[:, -1:].median(2, keepdim=True).values
    flat = ((inner - colour).abs() <= FLAT).all(2).all(0)
    other = (~flat).nonzero()
    last = int(other[-1]) if len(other) else -1
    return (len(flat) - 1 - last) / len(flat)
