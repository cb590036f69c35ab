"""What a person who watches the losses would notice, said once each time it begins."""

from collections import deque
from collections.abc import Mapping

WON = 1e-2  # a discriminator's loss below this tells the generator nothing more
LONG = 20  # readings (log lines) in a row
STILL = 0.005  # the relative change of the mean of a loss over as many readings that counts as none


class Watch:
    """Notices when the discriminator has won, and when the generator stands still."""

    def __init__(self) -> None:
        self._d: deque[float] = deque(maxlen=LONG)
        self._l1: deque[float] = deque(maxlen=2 * LONG)
        self._told: set[str] = set()

    def warnings(self, losses: Mapping[str, float]) -> list[str]:
        """What is to be said after these losses, the means since the last time."""
        found = []
        self._d.append(losses["d"])
        won = len(self._d) == LONG and max(self._d) < WON
        if self._is_new("won", won):
            found.append(
                f"warning: the discriminator has won (its loss is below {WON} for long), and the "
                "generator learns from the other losses only. a smaller "
                "train.discriminator_learning_rate helps, or adversarial = 'lsgan', or more pairs"
            )
        if "l1" in losses:
            self._l1.append(losses["l1"])
            if self._is_new("still", self._stands_still()):
                found.append(
                    f"warning: l1 stands still at {losses['l1']:.3g}. if the samples are not good "
                    "yet: do the pairs belong together (`imtrans data check`)? is "
                    "train.learning_rate too small? and if they are, this may be all there is to "
                    "learn (train.patience stops then)"
                )
        return found

    def _stands_still(self) -> bool:
        if len(self._l1) < 2 * LONG:
            return False
        rows = list(self._l1)
        before, now = sum(rows[:LONG]) / LONG, sum(rows[LONG:]) / LONG
        return abs(now - before) <= STILL * before

    def _is_new(self, name: str, holds: bool) -> bool:
        if not holds:
            self._told.discard(name)
            return False
        new = name not in self._told
        self._told.add(name)
        return new
