"""Pairs whose target lies beside where it belongs: found against the rest of the data set.

In two passes, since how the sides correspond has to be learned from the set itself:

    correspondence = learn(pairs)             # a few hundred (source, target), spread over the set
    common_shift(correspondence)              # -> Shift | None: the whole set lies off by this
    correspondence.evidence(source, target)   # of every pair, in any process -> Evidence
    misaligned(evidences)                     # -> {index: Shift}
    swapped(evidences)                        # -> [index]

Images are uint8 (3, H, W), both of one size, best at most 256 px. Shifts are in px of these images:
x > 0 says that the target lies too far right, y > 0 too far down.

How a pair's best shift is found says `correspondence`. A pair is suspected when its target fits
clearly better somewhere else than where it lies, and well there. Whether a set can be judged at all
shows in the set itself: unless most pairs fit best where they lie, nothing is said about any. So
sides that have no structure in common, or sets of fewer than 8 pairs, give no suspects. A pair
whose target belongs to another source mostly fits nowhere well, and is not suspected.

Shifts beyond an eighth of the image are out of reach. tests/planted_shifts.py measures how many
planted shifts are found.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imtrans.checking.data.correspondence import Correspondence, Evidence, learn
from imtrans.checking.data.spectra import REACH
from imtrans.checking.data.swapped import FEWEST, swapped

__all__ = [
    "Correspondence",
    "Evidence",
    "Shift",
    "common_shift",
    "learn",
    "misaligned",
    "swapped",
]

# Steps (2 px of 256). Annotations drawn by hand lie up to about 2 px off in well-kept sets.
OFF = 1.25
# Of the pairs so many must fit best where they lie, and so well, or the set cannot be judged ...
AGREE, AGREE_CLEAR = 0.6, 5.0
# ... and a suspect must fit elsewhere so well, and by so much better. All in spreads of the fit
# over all shifts (see Evidence). For a source and the target of another, the best of all shifts
# reaches 3 to 4, and more than 4.5 in one of twenty (facades, maps) to one of two (shoes, which
# look alike).
CLEAR, GAIN = 4.5, 3.0
# Over the median of all shifts: the sides of unrelated pairs go together up to 50 times more
# strongly at the best of them, those of real sets 300 times and more.
TOGETHER = 100.0


class Shift(NamedTuple):
    """How far the target lies right of (x) and below (y) where it belongs, px.

    `score`: how much better it fits there, in spreads of the fit over all shifts. For a whole set:
    how many times more strongly its sides go together there.
    """

    x: float
    y: float
    score: float


def misaligned(evidences: Sequence[Evidence]) -> dict[int, Shift]:
    """The pairs suspected of a shift, judged against all the others; none that is swapped."""
    exchanged = set(swapped(evidences))
    peaks = {
        index: _peak(evidence.fit)
        for index, evidence in enumerate(evidences)
        if index not in exchanged and evidence.fit.any()
    }
    agreeing = sum(peak.height >= AGREE_CLEAR and not peak.off for peak in peaks.values())
    if len(peaks) < FEWEST or agreeing < AGREE * len(peaks):
        return {}
    return {
        index: Shift(*_px(peak, evidences[index].step), peak.gain)
        for index, peak in peaks.items()
        if peak.off and peak.height >= CLEAR and peak.gain >= GAIN
    }


def common_shift(correspondence: Correspondence) -> Shift | None:
    """By how much all targets of the set lie off, or None: not at all, or it cannot be said.

    Where the sides go together most strongly is where things lie that belong together. `misaligned`
    is blind to it, since it judges each pair by the others.
    """
    common = correspondence.common.astype(np.float64)
    if len(correspondence.folds) < FEWEST or not common.any():
        return None
    peak = _peak(common)
    if not peak.off or peak.height < TOGETHER * np.median(common):
        return None
    there = peak.height / max(peak.height - peak.gain, 1e-3 * peak.height)
    return Shift(*_px(peak, correspondence.step), there)


class _Peak(NamedTuple):
    """The best shift (x, y) in steps, the fit there, and how much better it is than unshifted."""

    x: float
    y: float
    height: float
    gain: float

    @property
    def off(self) -> bool:
        return max(abs(self.x), abs(self.y)) >= OFF


def _peak(surface: NDArray[np.floating]) -> _Peak:
    fit = surface.astype(np.float64)
    row, column = (int(at) for at in np.unravel_index(fit.argmax(), fit.shape))
    return _Peak(
        x=column + _vertex(fit[row], column) - REACH,
        y=row + _vertex(fit[:, column], row) - REACH,
        height=float(fit[row, column]),
        gain=float(fit[row, column] - fit[REACH, REACH]),
    )


def _vertex(line: NDArray[np.float64], at: int) -> float:
    """How far beside its largest value, at `at`, the parabola through the neighbours peaks."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = line[at - 1 : at + 2]
    bend = before - 2 * here + after
    return float((before - after) / (2 * bend)) if bend < 0 else 0.0


def _px(peak: _Peak, step: tuple[float, float]) -> tuple[float, float]:
    return peak.x * step[0], peak.y * step[1]
