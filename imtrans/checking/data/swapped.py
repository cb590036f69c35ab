"""Pairs whose two sides are swapped, found by comparison with the rest of the data set.

Each image is described by a few numbers that distinguish kinds of pictures (a photograph, a
drawing, flat labels). The difference between the sides of most pairs is the rule; a pair with the
opposite difference is reported. The sides are separated by Fisher's linear discriminant (Fisher,
"The use of multiple measurements in taxonomic problems", 1936) with medians for means and without
correlations, so that it is robust to a few swapped pairs, and to sets of few pairs.

Sides that look alike (summer and winter photographs) cannot be separated this way; then nothing is
reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.float32]

FEWEST = 8  # pairs; with fewer there is no rest to compare with
# How many standard deviations the sides of the set must be apart. With 4, a normally distributed
# pair crosses the middle once in 30,000 times.
APART = 4.0


@dataclass(frozen=True)
class Sides:
    """The `appearance` of both sides of a pair, float32."""

    source: Numbers
    target: Numbers


def appearance(image: Tensor) -> Numbers:
    """A uint8 image (3, H, W) in 13 numbers: its colours, how flat it is, how textured."""
    # A quarter of the rows and of the columns is enough, and four times faster.
    pixels, columns = image[:, ::4].float() / 255, image[:, :, ::4].float() / 255
    across = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs().amax(0)
    down = (columns[:, 1:] - columns[:, :-1]).abs().amax(0)
    nothing = torch.zeros(1)  # so that an image of one pixel has a step, too
    steps = torch.cat([across.flatten(), down.flatten(), nothing])
    coarse = (pixels * 7.999).long()  # 8 levels a channel
    used = torch.bincount((coarse[0] * 64 + coarse[1] * 8 + coarse[2]).flatten(), minlength=512)
    numbers = [
        *pixels.mean((1, 2)).tolist(),
        *pixels.std((1, 2), correction=0).tolist(),
        float((pixels.amax(0) - pixels.amin(0)).mean()),  # how colourful
        float(steps.mean().sqrt()),
        *(float((steps < level / 255).float().mean()) for level in (2, 6, 20)),  # how flat
        float((steps > 0.25).float().mean().sqrt()),  # how many hard edges
        float((used > coarse[0].numel() / 2000).sum().float().log1p()),  # how many colours
    ]
    return np.asarray(numbers, dtype=np.float32)


def swapped(pairs: Sequence[Sides]) -> list[int]:
    """The pairs whose sides are exchanged, compared with all others; always a minority."""
    if len(pairs) < FEWEST:
        return []
    source, target = _places(
        np.stack([pair.source for pair in pairs]), np.stack([pair.target for pair in pairs])
    )
    apart = source - target
    middle = float(np.median(apart))
    if middle <= 0 or middle < APART * _spread(apart):
        return []
    # Both images must look like one of the other side: one unusual photograph is not a swap.
    exchanged = (apart < -middle / 2) & (source < 0) & (target > 0)
    return [int(index) for index in np.flatnonzero(exchanged)]


def _places(source: Numbers, target: Numbers) -> tuple[Numbers, Numbers]:
    """Sources and targets (n, K) on one axis (n,): sources mostly above 0, targets below."""
    usual = np.median(source - target, axis=0)
    between = (np.median(source, axis=0) + np.median(target, axis=0)) / 2
    # A number that hardly varies (the white of all drawings) must not outweigh all others, ...
    weight = usual / (_spread(source) ** 2 + _spread(target) ** 2 + 0.02**2)
    # ... nor the one number in which a picture is unusual.
    most = np.abs(usual)
    return (
        np.clip(source - between, -most, most) @ weight,
        np.clip(target - between, -most, most) @ weight,
    )


def _spread(values: Numbers) -> Numbers:
    """The standard deviation along the first axis, from the median absolute deviation."""
    around = np.abs(values - np.median(values, axis=0))
    return np.asarray(1.4826 * np.median(around, axis=0), dtype=np.float32)
