"""Validation pairs that are a part of a training pair.

The thumbnail for validation is made smaller, and looked for in all windows of those for training
(template matching; Lewis, "Fast normalized cross-correlation", Vision Interface, 1995). Thumbnails
are coarse, so a window fits a part never exactly: it must fit clearly better than those of all
other pairs, too, on both sides.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from imtrans.checking.data.disguised import Disguise, correlation, normalised, thumbnails
from imtrans.checking.data.inspected_pair import InspectedPair
from imtrans.checking.data.pixel_summary import THUMB

WINDOWS = range(8, THUMB)  # thumbnail pixels a side: two thirds of a picture and more
# How well the best window must fit, and how much better than that of the second best pair. In the
# real sets other pairs reach 0.79, but then hardly more than the second best, at most by 0.09.
FIT, BETTER = 0.75, 0.12
FEWEST = 8  # training pairs; fewer do not show how well windows fit by chance
RICH = 0.75 * THUMB**2  # distinct colours of a thumbnail
MOST = 2000, 500  # training pairs and validation pairs, from the first; the time is their product


def cut_outs(
    training: Sequence[InspectedPair], validation: Sequence[InspectedPair]
) -> list[Disguise]:
    """The pairs for validation that are a part of a training pair; all were decoded, and have both
    sides."""
    # One side alone fits some window of some picture by chance.
    if len(training) < FEWEST or not validation or len(validation[0].sides) < 2:
        return []
    known, parts = thumbnails(training[: MOST[0]]), thumbnails(validation[: MOST[1]])
    fit = np.full((len(parts), len(known)), -1.0, np.float32)
    for size in WINDOWS:
        wanted = normalised(_resized(parts, size))
        for top in range(THUMB - size + 1):
            for left in range(THUMB - size + 1):
                window = known[..., top : top + size, left : left + size]
                fit = np.maximum(fit, correlation(wanted, normalised(window)))
    second, first = np.partition(fit, -2, axis=1)[:, -2:].T
    sure = np.flatnonzero((first >= FIT) & (first - second >= BETTER) & _rich(parts))
    return [
        Disguise(int(at), int(fit[at].argmax()), "cut to a part", float(first[at])) for at in sure
    ]


def _rich(thumbs: Tensor) -> NDArray[np.bool_]:
    """Which pairs have a side of many colours: of sparse drawings one line looks like another."""
    colours = [[len(side.flatten(1).unique(dim=1).T) for side in pair] for pair in thumbs]
    return np.array([max(sides) > RICH for sides in colours])


def _resized(thumbs: Tensor, size: int) -> Tensor:
    """(pairs, sides, 3, size, size)"""
    shape = (size, size)
    small = interpolate(thumbs.flatten(0, 1), size=shape, mode="bicubic", antialias=True)
    return small.reshape(*thumbs.shape[:3], *shape)
