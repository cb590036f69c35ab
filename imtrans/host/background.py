"""Work that is done beside the main thread, in order: what is written while a training goes on."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

Work = Callable[[], object]
AHEAD = 4  # pieces of work that may wait: what they hold is in memory


def nothing() -> None:
    pass


@dataclass(frozen=True)
class Piece:
    """A piece of work, how it ended, and what the main thread does then."""

    ending: Future[None]
    work: Work
    then: Work


class Background:
    """One thread beside the main one. What it does ends in its order, and its errors reach the main
    thread; after one, nothing that was to follow is done, until `again` is called."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="imtrans-background")
        self._pending: deque[Piece] = deque()
        self._undone: list[Piece] = []
        self._failed = False

    def do(self, work: Work, then: Work = nothing) -> None:
        """Have work done; `then` is called in the main thread, by `poll` or `wait`, once it is.
        Waits while too much is to be done. Never raises, so that none is forgotten: what follows
        work that failed is kept with it."""
        waiting = [piece for piece in self._pending if not piece.ending.done()]
        if len(waiting) >= AHEAD:
            waiting[-AHEAD].ending.exception()
        self._pending.append(Piece(self._thread.submit(self._done, work), work, then))

    def _done(self, work: Work) -> None:
        if self._failed:
            return
        try:
            work()
        except BaseException:
            self._failed = True
            raise

    def poll(self) -> None:
        """End what is done by now. Raises what the first that failed has failed with."""
        while self._pending and self._pending[0].ending.done():
            self._end_first()

    def wait(self) -> None:
        """Wait until everything is done, and end it. Raises as `poll` does."""
        while self._pending:
            self._end_first()

    def _end_first(self) -> None:
        piece = self._pending.popleft()
        try:
            piece.ending.result()
        except BaseException:
            self._undone = [piece, *self._pending]
            while self._pending:  # which ends with nothing done
                self._pending.popleft().ending.exception()
            self._failed = False
            raise
        piece.then()

    def again(self) -> None:
        """Do what failed, and what was to follow it: there may be room on the disk again."""
        undone, self._undone = self._undone, []
        for piece in undone:
            self.do(piece.work, piece.then)

    def close(self) -> None:
        """End the thread, when it has done what it is at."""
        self._thread.shutdown(cancel_futures=True)
