"""Pictures of few exact colours, as label maps are, and drawings, which are black on white."""

from collections.abc import Sequence

import torch
from torch import Tensor

COLOURS = 64  # more are no label map
DRAWN = 0.85  # share of black and white in a drawing; of a shoe on white paper it is 0.6
DARK, BRIGHT = 25, 230
RECUR = 0.6  # share of a label map's colours that are in several files

Colour = tuple[int, ...]


def ink(pixels: Tensor) -> Tensor:
    """The share of pixels (C, H, W) that are nearly black or nearly white."""
    return ((pixels.amax(0) < DARK) | (pixels.amin(0) > BRIGHT)).float().mean()


def few_colours(pixels: Sequence[Tensor]) -> list[Colour]:
    """The colours of label maps, in order; empty if there are many, or each file has its own."""
    times: dict[Colour, int] = {}
    for one in pixels:
        codes = torch.zeros(one.shape[1:], dtype=torch.int64)
        for channel in one[:4]:
            codes = codes * 256 + channel
        distinct = codes.unique()
        if len(distinct) > COLOURS or len(one) > 4:
            return []
        for code in distinct.tolist():
            colour = tuple(code >> 8 * (len(one) - 1 - c) & 255 for c in range(len(one)))
            times[colour] = times.get(colour, 0) + 1
    recurring = sum(number > 1 for number in times.values())
    if not 1 < len(times) <= COLOURS or recurring < RECUR * len(times):
        return []
    return sorted(times)
