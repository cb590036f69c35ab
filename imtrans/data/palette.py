"""The palette of label maps: the colours that recur in all of them.

JPEG blurs the borders between labels and shifts their colours by a few levels. A single picture
does not show whether it is a label map, but a set does: the same colours recur in every file, each
a sharp peak in the histogram of the set. Photographs have broad peaks.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# A peak is a colour and all within BROAD of it in each channel. It is sharp if the share SHARP of
# it is within NARROW. On real sets that is 0.5 ... 0.9 for labels, 0.05 ... 0.4 for photographs.
NARROW, BROAD, SHARP = 4, 16, 0.48
LEAST = 0.002  # the smallest share of all pixels that is taken for a class
COVERED = 0.6  # share of pixels in sharp peaks: 0.75 in JPEG labels of 256 px, 0.15 in photographs
FEWEST = 3  # classes: two colours are a drawing
TRIED = 60  # peaks, highest first


def dominant_colours(views: Sequence[Tensor]) -> list[tuple[int, int, int]]:
    """The colours of the label maps of a set, most frequent first; empty if the views, uint8
    (3, h, w), do not look like label maps."""
    if not views:
        return []
    colours, shares = _histogram(views)
    peaks: list[tuple[int, int, int]] = []
    covered = 0.0
    for _ in range(TRIED):
        top = colours[shares.argmax()]
        distance = np.abs(colours - top).max(axis=1)
        broad = shares[distance <= BROAD].sum()
        # The highest value may be a rare colour, where JPEG spreads frequent ones over many values.
        if broad >= LEAST and shares[distance <= NARROW].sum() >= SHARP * broad:
            peaks.append((int(top[0]), int(top[1]), int(top[2])))
            covered += float(broad)
        # A little farther, so that the slope of a peak does not count as the next peak.
        shares[distance <= 1.5 * BROAD] = 0
    return peaks if covered >= COVERED and len(peaks) >= FEWEST else []


def _histogram(views: Sequence[Tensor]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The distinct colours (K, 3) among 4,096 pixels of every view, and the share of each."""
    pixels = []
    for view in views:
        rows, columns = (torch.linspace(0, n - 1, min(n, 64)).long() for n in view.shape[-2:])
        pixels.append(view[:, rows][:, :, columns].flatten(1).T.numpy())
    sample = np.concatenate(pixels).astype(np.int64)
    codes, times = np.unique(sample @ np.array([65536, 256, 1]), return_counts=True)
    colours = np.stack([codes >> 16, (codes >> 8) & 255, codes & 255], axis=1)
    return colours, times / times.sum()
