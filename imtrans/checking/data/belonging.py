"""Whether a source tells more about its own target than about the target of another pair.

The signatures of both sides (see `signatures`) were learned from other pairs than those that are
compared here. So if sources and targets do not belong together, a source's own target is one like
any other, and every assignment of the targets to the sources is as likely as the one in the files.
Over all assignments the sum of the agreements of the assigned has a known mean and variance, and
nearly a normal distribution (Hoeffding, "A combinatorial central limit theorem", Annals of
Mathematical Statistics 22, 1951): how far the actual sum is from that mean, in its standard
deviations, is the `strength` of a set. Nothing is assumed about what the pictures look like.

The same numbers, for one pair: how much better its sides agree than the sides of any two others,
in standard deviations of the agreement of others.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imtrans.checking.data.correspondence import FOLDS, Evidence
from imtrans.checking.data.signatures import CHANGES

Numbers = NDArray[np.float64]

FEWEST = 20  # pairs; fewer do not suffice to say that sources and targets do not belong together
BLOCK = 256  # pairs of a fold that are compared with each other, all with all
# Sets whose sides do not belong together exceed this strength once in 2,000 times; the weakest of
# the real sets reaches 7.5 with 20 pairs, and 60 with 200.
STRONG = 3.3
# A pair is suspected below SUSPECT, if the share MOST of all agree better than AGREEING. Of two
# pictures that do not belong together 1% agree better than SUSPECT.
SUSPECT, AGREEING, MOST = 2.3, 4.0, 0.6
FITTING = 3.0  # how well most pairs must agree for a change to be found
# A target that is changed back must fit as a pair does: so well, and half as well as most. Of the
# four changes of a shuffled target the best always fits better than it.
CHANGED_BACK, HALF = 3.5, 0.5


@dataclass(frozen=True)
class Belonging:
    """How strongly the set as a whole agrees, and each pair (n,); NaN where it cannot be said.

    `changed` (n, CHANGES + 1): how much better a target would agree when changed, and last: when
    shifted. Both are in standard deviations of the agreement of a pair's sides with others'.
    """

    strength: float
    pairs: Numbers
    changed: Numbers

    @property
    def known(self) -> int:
        """The number of pairs that could be compared."""
        return int(np.isfinite(self.pairs).sum())

    @property
    def unrelated(self) -> bool:
        """Whether nothing shows that sources and targets belong together."""
        return self.known >= FEWEST and self.strength < STRONG

    def clear(self, least: float) -> bool:
        """Whether most pairs agree at least so well, so that something can be said of one."""
        known = self.pairs[np.isfinite(self.pairs)]
        return len(known) >= FEWEST and bool((known >= least).mean() >= MOST)

    @property
    def suspects(self) -> list[int]:
        """The pairs whose sides do not seem to belong together, in a set where most do."""
        if not self.clear(AGREEING):
            return []
        return [int(at) for at in np.flatnonzero(self.pairs < SUSPECT)]

    @property
    def lost(self) -> list[int]:
        """The suspects whose sides do not seem to belong together shifted, either."""
        shifted = self.pairs + self.changed[:, -1]
        return [at for at in self.suspects if shifted[at] < self._usual]

    @property
    def _usual(self) -> float:
        """How well a pair must agree, after a change, to be like most."""
        return max(CHANGED_BACK, HALF * float(np.nanmedian(self.pairs)))

    @property
    def better_changed(self) -> dict[int, int]:
        """The pairs whose target fits much better changed, and which of CHANGES."""
        if not self.clear(FITTING):
            return {}
        # With symmetrical pictures, what is shifted also fits better when mirrored.
        *gains, shifted = np.nan_to_num(self.changed).T
        best = np.argmax(gains, axis=0)
        gain = self.changed[np.arange(len(best)), best]
        enough = np.array([CHANGES[change].sure for change in best])
        sure = (gain >= enough) & (gain > shifted) & (self.pairs + gain >= self._usual)
        return {int(at): int(best[at]) for at in np.flatnonzero(sure)}


def belonging(evidences: Sequence[Evidence]) -> Belonging:
    """Compare every pair with up to BLOCK others of its fold."""
    pairs = np.full(len(evidences), np.nan)
    changed = np.full((len(evidences), len(CHANGES) + 1), np.nan)
    excess, variance = 0.0, 0.0
    for places in _blocks(evidences):
        signatures = np.stack([evidences[place].signatures for place in places]).astype(np.float64)
        agreement = _centred(signatures[:, 0] @ signatures[:, 1].T)
        pairs[places], spread = _against_others(agreement)
        as_changed = np.stack([evidences[place].changed for place in places])
        changed[places] = (as_changed - as_changed[:, :1]) / spread[:, None]
        excess += float(np.trace(agreement))
        variance += float((agreement**2).sum() / (len(places) - 1))
    return Belonging(excess / max(variance, 1e-12) ** 0.5, pairs, changed)


def _blocks(evidences: Sequence[Evidence]) -> list[list[int]]:
    """Places of pairs that are compared with each other; pairs with a blank side are left out."""
    blocks = []
    for fold in range(FOLDS):
        places = [
            place
            for place, evidence in enumerate(evidences)
            if evidence.fold == fold and np.abs(evidence.signatures).max(1).all()
        ]
        # Neighbours in a set may be alike: the frames of a film.
        parts = -(-len(places) // BLOCK)
        blocks += [places[part::parts] for part in range(parts)]
    return [block for block in blocks if len(block) > 2]


def _centred(agreement: Numbers) -> Numbers:
    """Without what one side alone contributes: a picture that agrees with all others."""
    rows, columns = agreement.mean(1, keepdims=True), agreement.mean(0, keepdims=True)
    return np.asarray(agreement - rows - columns + agreement.mean())


def _against_others(agreement: Numbers) -> tuple[Numbers, Numbers]:
    own = np.diag(agreement)
    squares = (agreement - np.diag(own)) ** 2
    spread = np.sqrt((squares.sum(0) + squares.sum(1)) / (2 * len(own) - 2))
    spread = np.maximum(spread, 1e-12)
    return own / spread, spread
