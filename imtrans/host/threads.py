"""Threads beside the one that computes: a bounded amount of work before its turn, in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

import torch

from imtrans.host.machine import cores
from imtrans.host.ranks import this_rank

T = TypeVar("T")
R = TypeVar("R")
BYTES = 2**28  # that results which wait for their turn may take together
FIRST = 2  # may wait before it is known how large they are


class Threads:
    """A number of threads, for as long as it is entered.

    torch computes on one core in each: several that use all cores slow each other many times over,
    and the thread that runs the network.
    """

    _entered = 0  # all that are at the moment
    _usual = 1  # how many cores torch computed on before them
    _lock = Lock()

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(
            count, "imtrans", initializer=torch.set_num_threads, initargs=(1,)
        )

    def __enter__(self) -> "Threads":
        # The number that a thread sets is its own, and that of threads which begin later: one that
        # begins beside the threads of another would compute on one core, and leave it so.
        with Threads._lock:
            if not Threads._entered:
                Threads._usual = torch.get_num_threads()
            Threads._entered += 1
            torch.set_num_threads(Threads._usual)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        with Threads._lock:
            Threads._entered -= 1
            torch.set_num_threads(Threads._usual)

    def submit(self, function: Callable[..., R], *arguments: Any) -> Future[R]:
        return self._pool.submit(function, *arguments)

    def ahead(
        self, function: Callable[[T], R], items: Iterable[T], bytes_of: Callable[[R], int]
    ) -> Iterator[tuple[T, R]]:
        """Each item with what the function makes of it, in order. Some are computed before their
        turn: two for each thread, or fewer where they take much memory. The first is computed
        alone, as nothing is known of them."""
        pending: deque[tuple[T, Future[R]]] = deque()
        limit = Limit(2 * self.count)
        known = False

        def heard(item: T) -> R:
            result = function(item)
            limit.heard(bytes_of(result))  # at once: later ones are not begun then
            return result

        for item in items:
            pending.append((item, self.submit(heard, item)))
            while len(pending) > (limit.now if known else 0):
                before, future = pending.popleft()
                result = future.result()
                known = True
                yield before, result
        for before, future in pending:
            yield before, future.result()


class Limit:
    """How many things may wait: `most`, or as many as fit into BYTES if all are as large as the
    largest so far; FIRST before any is known."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = min(most, FIRST)
        self._largest = 1
        self._lock = Lock()

    def heard(self, size: int) -> None:
        """Something of so many bytes was among them."""
        with self._lock:
            self._largest = max(self._largest, size)
            self.now = max(min(self._most, BYTES // self._largest), 1)


def usual_count() -> int:
    """As many threads as there are cores for each rank on this machine, up to 16: more wait for
    Python more than they do."""
    return max(min(cores() // this_rank().local_of, 16), 1)
