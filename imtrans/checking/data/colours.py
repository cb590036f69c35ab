"""Pictures whose colours are unusual for their side, and usual once a known mistake is undone.

The colours of some pictures of a side give a histogram: how probable each colour is there. A
picture whose channels are in another order has improbable colours, and probable ones when its
channels are exchanged again. The log of the ratio of both likelihoods is its `gain` (nats per
pixel; Neyman and Pearson, "On the problem of the most efficient tests of statistical hypotheses",
1933). Pictures are compared by gain with the others of their side, so a side of photographs, whose
colours are of all kinds, accuses nobody.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Numbers = NDArray[np.float32]
Codes = NDArray[np.int64]

LEVELS = 8  # of each channel
GRID = 48  # px a side, of which the colours are counted
FEWEST = 20  # pictures
# By how many nats per pixel the colours of a suspect must be more probable when undone, how many
# standard deviations it must be from the others, and how far they from it: most pictures must have
# clearly less probable colours after the same change.
GAIN, APART = 0.5, 5.0

UNDO: dict[str, Callable[[Codes], Codes]] = {
    "red and blue exchanged": lambda pixels: pixels[:, ::-1],
    "inverted values": lambda pixels: 255 - pixels,
}


@dataclass
class UsualColours:
    """A histogram of the colours of a side: the number of pixels (LEVELS ** 3,)."""

    counts: NDArray[np.int64]

    def add(self, image: Tensor) -> None:
        """Count the colours of a uint8 image (3, H, W)."""
        self.counts += np.bincount(_codes(_pixels(image)), minlength=LEVELS**3)

    def gains(self, image: Tensor) -> Numbers:
        """How much more probable the colours of an image are with each of UNDO, nats per pixel."""
        log = np.log((self.counts + 0.5) / (self.counts.sum() + 0.5 * LEVELS**3))
        pixels = _pixels(image)
        likelihood = log[_codes(pixels)].mean()
        undone = [log[_codes(undo(pixels))].mean() for undo in UNDO.values()]
        return np.asarray(undone - likelihood, dtype=np.float32)


def no_colours() -> UsualColours:
    return UsualColours(np.zeros(LEVELS**3, dtype=np.int64))


def miscoloured(gains: Sequence[Numbers]) -> dict[int, str]:
    """The pictures of a side with a known mistake, and which; given their `gains`."""
    if len(gains) < FEWEST:
        return {}
    found: dict[int, tuple[float, str]] = {}
    for mistake, column in zip(UNDO, np.stack(gains).T, strict=True):
        middle = np.median(column)
        spread = 1.4826 * np.median(np.abs(column - middle))
        # As far on this side of 0 as most are on the other.
        least = max(GAIN, middle + APART * spread, -middle / 2)
        for index in np.flatnonzero(column >= least) if middle <= -GAIN else []:
            gain = float(column[index])
            found[int(index)] = max(found.get(int(index), (0.0, "")), (gain, mistake))
    return {index: mistake for index, (_, mistake) in sorted(found.items())}


def _pixels(image: Tensor) -> Codes:
    rows, columns = (torch.linspace(0, n - 1, min(n, GRID)).long() for n in image.shape[-2:])
    return np.asarray(image[:, rows][:, :, columns].flatten(1).T.numpy().astype(np.int64))


def _codes(pixels: Codes) -> Codes:
    levels = pixels * LEVELS // 256
    return np.asarray((levels[:, 0] * LEVELS + levels[:, 1]) * LEVELS + levels[:, 2])
