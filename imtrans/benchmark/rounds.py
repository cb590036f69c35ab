"""Variants timed in turns, so that changes of the machine's speed affect all of them alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from time import perf_counter

LEAST = 0.2  # seconds of one variant in one round
WARM_UP = 2  # calls before anything is timed, to choose kernels and allocate memory


@dataclass(frozen=True)
class Spread:
    """Several measurements of one quantity: the median, the smallest and the largest."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))

    def scaled(self, factor: float) -> "Spread":
        return Spread(self.median * factor, self.low * factor, self.high * factor)


def ratio(slower: Sequence[float], faster: Sequence[float]) -> Spread:
    """slower / faster, of times measured in the same rounds: how many times faster the second is.

    Each round gives one ratio of measurements next to each other in time, so whatever slows a
    whole round down cancels out.
    """
    return Spread.of([one / other for one, other in zip(slower, faster, strict=True)])


def in_turns(
    variants: Mapping[str, Callable[[], object]],
    rounds: int,
    wait: Callable[[], None],
    least: float = LEAST,
    *,
    clock: Callable[[], float] | None = None,
) -> dict[str, list[float]]:
    """Seconds per call of each variant in each round.

    In a round each variant is called until `least` seconds have passed, at least once. `wait`
    returns when the device has finished everything it was given. `clock` is in seconds, by default
    perf_counter; process_time, where this process computes, does not count what others take of the
    machine.
    """
    clock = clock or perf_counter
    calls = {name: _calls_to_fill(least, call, wait, clock) for name, call in variants.items()}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, call in variants.items():
            seconds[name].append(_timed(call, calls[name], wait, clock))
    return seconds


def _calls_to_fill(
    least: float, call: Callable[[], object], wait: Callable[[], None], clock: Callable[[], float]
) -> int:
    for _ in range(WARM_UP):
        call()
    return max(1, ceil(least / max(_timed(call, 1, wait, clock), 1e-6)))


def _timed(
    call: Callable[[], object],
    calls: int,
    wait: Callable[[], None],
    clock: Callable[[], float],
) -> float:
    wait()
    begun = clock()
    for _ in range(calls):
        call()
    wait()
    return (clock() - begun) / calls
