"""Pairs whose two sides changed places, found against the rest of the data set.

Each image is described by a few numbers that tell kinds of pictures apart (a photograph, a drawing,
flat labels). What the sides of most pairs differ by is the rule; a pair that differs by the
opposite is suspected. The direction that tells the sides apart is Fisher's linear discriminant
(Fisher, "The use of multiple measurements in taxonomic problems", 1936) with medians for means
and without correlations, so that a few swapped pairs, or a few pairs in all, do not bend it.

Sides that look alike (summer and winter photographs) cannot be told apart this way; then nothing
is suspected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.float32]

FEWEST = 8  # pairs; among fewer, "the rest" says nothing
# How many standard deviations the sides of the set must be apart. With 4, a pair of a set of normal
# distribution crosses the middle once in 30,000 times.
APART = 4.0


@dataclass(frozen=True)
class Sides:
    """What both sides of a pair look like: `appearance` of each, float32."""

    source: Numbers
    target: Numbers


def appearance(image: Tensor) -> Numbers:
    """A uint8 image (3, H, W) in 13 numbers: its colours, how flat it is, how busy."""
    # A quarter of the rows and of the columns is enough, and four times as fast.
    pixels, columns = image[:, ::4].float() / 255, image[:, :, ::4].float() / 255
    across = (pixels[:, :, 1:] - pixels[:, :, :-1]).abs().amax(0)
    down = (columns[:, 1:] - columns[:, :-1]).abs().amax(0)
    nothing = torch.zeros(1)  # all there is in an image of one pixel
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
    """Which pairs have their sides exchanged, judged against all the others; the minority."""
    if len(pairs) < FEWEST:
        return []
    source, target = _places(
        np.stack([pair.source for pair in pairs]), np.stack([pair.target for pair in pairs])
    )
    apart = source - target
    middle = float(np.median(apart))
    if middle <= 0 or middle < APART * _spread(apart):
        return []
    # Either image must look like one of the other side: a strange photograph alone is no swap.
    exchanged = (apart < -middle / 2) & (source < 0) & (target > 0)
    return [int(index) for index in np.flatnonzero(exchanged)]


def _places(source: Numbers, target: Numbers) -> tuple[Numbers, Numbers]:
    """Where sources and targets (n, K) lie (n,): sources mostly above 0, targets below."""
    usual = np.median(source - target, axis=0)
    between = (np.median(source, axis=0) + np.median(target, axis=0)) / 2
    # A number that hardly varies (the white of all drawings) must not outvote all the others, ...
    weight = usual / (_spread(source) ** 2 + _spread(target) ** 2 + 0.02**2)
    # ... nor the one number in which a picture is strange.
    most = np.abs(usual)
    return (
        np.clip(source - between, -most, most) @ weight,
        np.clip(target - between, -most, most) @ weight,
    )


def _spread(values: Numbers) -> Numbers:
    """The standard deviation along the first axis, from the median absolute deviation."""
    around = np.abs(values - np.median(values, axis=0))
    return np.asarray(1.4826 * np.median(around, axis=0), dtype=np.float32)
