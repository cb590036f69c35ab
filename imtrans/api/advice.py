"""What a person who watches the losses would notice, each said once when it begins.

For `Method.advice`: a method keeps one of these for each loss it wants watched.
"""

from collections import deque

LONG = 20  # readings (log lines) in a row
WON = 1e-2  # a discriminator's loss below this is of no more help to the generator
STILL = 0.005  # the relative change of the mean over as many readings that counts as none


class Vanished:
    """A loss of a discriminator that has won: it stays below 0.01."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=LONG)
        self._reported = False

    def begins(self, value: float) -> bool:
        """Note a reading; True when this has just become so."""
        self._values.append(value)
        holds = len(self._values) == LONG and max(self._values) < WON
        begins, self._reported = holds and not self._reported, holds
        return begins


class Plateau:
    """A loss that no longer moves: its mean over 20 readings is that of the 20 before."""

    def __init__(self) -> None:
        self._values: deque[float] = deque(maxlen=2 * LONG)
        self._reported = False

    def begins(self, value: float) -> bool:
        """Note a reading; True when this has just become so."""
        self._values.append(value)
        holds = self._holds()
        begins, self._reported = holds and not self._reported, holds
        return begins

    def _holds(self) -> bool:
        if len(self._values) < 2 * LONG:
            return False
        rows = list(self._values)
        before, now = sum(rows[:LONG]) / LONG, sum(rows[LONG:]) / LONG
        return abs(now - before) <= STILL * before
