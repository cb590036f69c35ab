"""Pairs whose target is shifted against its source, found by comparison with the rest of the set.

In two passes, since the correspondence of the two sides is learned from the set itself:

    correspondence = learn(pairs)             # a few hundred (source, target), spread over the set
    common_shift(correspondence)              # -> Shift | None: a shift of the whole set
    correspondence.evidence(source, target)   # of every pair, in any process -> Evidence
    misaligned(evidences)                     # -> {index: Shift}
    swapped(evidences)                        # -> [index]

Images are uint8 (3, H, W), both of one size, best at most 256 px. Shifts are in px of these images:
with x > 0 the target is too far right, with y > 0 too far down.

`correspondence` finds the best shift of each pair. A pair is reported when its target fits well
when shifted, and clearly better than unshifted. Only a set in which most pairs fit best unshifted
is evaluated; so sides without common structure, or sets of fewer than 8 pairs, report nothing. A
pair whose target belongs to another source mostly fits nowhere well, and is not reported.

Shifts beyond an eighth of the image are not searched. tests/given/planted_shifts.py measures how
many planted shifts are found.
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

# Steps (2 px of 256). Annotations drawn by hand are up to about 2 px off in carefully made sets.
OFF = 1.25
# The share of pairs that must fit best unshifted, and how well, for the set to be evaluated ...
AGREE, AGREE_CLEAR = 0.6, 5.0
# ... and how well a suspect must fit when shifted, and how much better than unshifted. All in
# spreads of the fit over all shifts (see Evidence). For a source and the target of another pair,
# the best of all shifts reaches 3 to 4, and more than 4.5 in one of twenty (facades, maps) to one
# of two (shoes, which look alike).
CLEAR, GAIN = 4.5, 3.0
# Correlation at the best shift / its median over all shifts: up to 50 for unrelated sides, 300 and
# more for the sides of real sets.
CORRELATED = 100.0


class Shift(NamedTuple):
    """How far the target is to the right (x) and below (y) its best position, px.

    `score`: how much better it fits at that position, in spreads of the fit over all shifts. For a
    whole set: how many times stronger its sides correlate there.
    """

    x: float
    y: float
    score: float


def misaligned(evidences: Sequence[Evidence]) -> dict[int, Shift]:
    """The pairs suspected of a shift, compared with all others, without swapped pairs."""
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
    """The shift of all targets of the set; None if there is none, or it is not measurable.

    It is where the sides correlate most over the whole set. `misaligned` cannot see such a shift,
    since it compares each pair with the others.
    """
    common = correspondence.common.astype(np.float64)
    if len(correspondence.folds) < FEWEST or not common.any():
        return None
    peak = _peak(common)
    if not peak.off or peak.height < CORRELATED * np.median(common):
        return None
    times_stronger = peak.height / max(peak.height - peak.gain, 1e-3 * peak.height)
    return Shift(*_px(peak, correspondence.step), times_stronger)


class _Peak(NamedTuple):
    """The best shift (x, y) in steps, its fit, and how much better that is than unshifted."""

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
    """The offset from `at`, where the line is largest, to the peak of the parabola through it."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = line[at - 1 : at + 2]
    bend = before - 2 * here + after
    return float((before - after) / (2 * bend)) if bend < 0 else 0.0


def _px(peak: _Peak, step: tuple[float, float]) -> tuple[float, float]:
    return peak.x * step[0], peak.y * step[1]
