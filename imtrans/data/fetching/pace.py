"""Whether a server sends fast enough to be worth waiting for."""

from collections.abc import Callable
from time import monotonic

from imtrans.data.fetching.web import TIMEOUT

LEAST = 1000  # bytes/s on average
PERIOD = 60.0  # s


class Pace:
    """Counts what has come in each minute. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._last = clock()
        self._begin()

    def too_slow(self, count: int) -> bool:
        """Note `count` bytes that have just come; whether too few have in the last minute."""
        now = self._clock()
        gap, self._last = now - self._last, now
        if gap > TIMEOUT:  # not the server's, which would have been cut: this process was stopped
            self._begin()
        self._count += count
        seconds = now - self._since
        if seconds < PERIOD:
            return False
        slow = self._count < LEAST * seconds
        self._begin()
        return slow

    def _begin(self) -> None:
        self._since, self._count = self._last, 0
