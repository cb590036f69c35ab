"""Label maps: which colours they have, and which pixels have none of those they should.

JPEG blurs the borders between labels and shifts their colours by a few levels. A picture cannot
tell whether it is a label map; a set can, since its colours come again in every file and each is a
sharp peak in the histogram of all of them. Photographs have broad ones.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

NEAR = 12.0  # levels of 255, Euclidean: a class after a good JPEG is within this of its colour
SAMPLE = 256  # px a side: strays are counted on a grid of at most so many
# A peak: a colour and all within BROAD of it in each channel. It is sharp if this share of it lies
# within NARROW. On real sets labels have 0.5 ... 0.9 and photographs 0.05 ... 0.4.
NARROW, BROAD, SHARP = 4, 16, 0.48
LEAST = 0.002  # the share of all pixels that a class has at least
COVERED = 0.6  # of all pixels, by sharp peaks: JPEG labels of 256 px have 0.75, photographs 0.15
FEWEST = 3  # two colours are a drawing
TRIED = 60  # peaks, the highest first


class Strays(NamedTuple):
    """Pixels that are of no declared class."""

    share: float
    colour: tuple[int, ...]  # the one among them that is there most often


def strays(pixels: Tensor, palette: Tensor) -> Strays:
    """Of stored pixels (C, H, W), given the colours (K, C) of the classes."""
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
    """How far from its class a colour may be; where classes are numbered 0, 1, 2, not at all."""
    scale = 255.0 if eight_bit else float(palette.max().clamp(min=1))
    between = torch.pdist(palette).amin()
    return min(NEAR * scale / 255, float(between) / 2.5)


def _grid(size: int) -> Tensor:
    return torch.linspace(0, size - 1, min(size, SAMPLE)).long()


def dominant_colours(views: Sequence[Tensor]) -> list[tuple[int, int, int]]:
    """The colours of what looks like the label maps of one set, the most frequent first; of
    anything else, none. Views are uint8 (3, h, w)."""
    if not views:
        return []
    colours, shares = _histogram(views)
    peaks: list[tuple[int, int, int]] = []
    covered = 0.0
    for _ in range(TRIED):
        top = colours[shares.argmax()]
        distance = np.abs(colours - top).max(axis=1)
        broad = shares[distance <= BROAD].sum()
        # A rare colour may be most frequent when blurred ones are counted by their exact values.
        if broad >= LEAST and shares[distance <= NARROW].sum() >= SHARP * broad:
            peaks.append((int(top[0]), int(top[1]), int(top[2])))
            covered += float(broad)
        # A little farther, so that the slope of a peak is not taken for the next.
        shares[distance <= 1.5 * BROAD] = 0
    return peaks if covered >= COVERED and len(peaks) >= FEWEST else []


def _histogram(views: Sequence[Tensor]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The distinct colours (K, 3) of 4,096 pixels of every picture, and the share of each."""
    pixels = []
    for view in views:
        rows, columns = (torch.linspace(0, n - 1, min(n, 64)).long() for n in view.shape[-2:])
        pixels.append(view[:, rows][:, :, columns].flatten(1).T.numpy())
    sample = np.concatenate(pixels).astype(np.int64)
    codes, times = np.unique(sample @ np.array([65536, 256, 1]), return_counts=True)
    colours = np.stack([codes >> 16, (codes >> 8) & 255, codes & 255], axis=1)
    return colours, times / times.sum()
