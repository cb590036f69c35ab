"""The pixels of label maps that belong to no declared class."""

from typing import NamedTuple

import torch
from torch import Tensor

NEAR = 12.0  # levels of 255, Euclidean: how far a good JPEG moves a colour
SAMPLE = 256  # px a side: stray pixels are counted on a grid of at most this size


class Strays(NamedTuple):
    """Stray pixels: those whose colour belongs to no declared class."""

    share: float
    colour: tuple[int, ...]  # the most frequent of their colours


def strays(pixels: Tensor, palette: Tensor) -> Strays:
    """The stray pixels among stored ones (C, H, W), given the colours (K, C) of the classes."""
    rows, columns = (_grid(size) for size in pixels.shape[-2:])
    colours = pixels[:, rows][:, :, columns].flatten(1).T
    nearest = torch.cdist(colours.float(), palette.float()).amin(1)
    far = colours[nearest > _reach(palette.float(), pixels.dtype == torch.uint8)]
    if not len(far):
        return Strays(0.0, ())
    distinct, times = far.unique(dim=0, return_counts=True)
    most = distinct[times.argmax()]
    return Strays(len(far) / len(colours), tuple(int(value) for value in most))


def _reach(palette: Tensor, eight_bit: bool) -> float:
    """How far a colour may be from its class: less than 1 where classes are numbered 0, 1, 2."""
    scale = 255.0 if eight_bit else float(palette.max().clamp(min=1))
    between = torch.pdist(palette).amin()
    return min(NEAR * scale / 255, float(between) / 2.5)


def _grid(size: int) -> Tensor:
    return torch.linspace(0, size - 1, min(size, SAMPLE)).long()
