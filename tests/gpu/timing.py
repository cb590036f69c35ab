"""How operations are timed: in a CUDA graph by events, or by the clock where there is no GPU."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Protocol

import torch
from work import Work

from imtrans.benchmark.rounds import Spread
from imtrans.training.step.recording import repaired

Call = Callable[[], object]
REPEATS, REPLAYS = 50, 20
WARM_UP = 3
CACHE = 120_000_000  # bytes, more than any cache of a GPU holds


class Timer(Protocol):
    """Microseconds of a call, over several measurements."""

    def spread(self, *calls: Call) -> Spread:
        """Of one call. With several, they take turns: each works on other buffers, so that no
        cache holds them."""
        ...

    def eager(self, call: Call) -> Spread:
        """As `spread`, but without a graph: of what cannot be recorded."""
        ...


def timer_of(work: Work, repeats: int = REPEATS) -> Timer:
    return ClockTimer() if work.smoke else GraphTimer(work.device, repeats)


class GraphTimer:
    """Many repeats as one graph, which is replayed between two events: nothing of the host's work
    is in it, only the device's."""

    def __init__(self, device: torch.device, repeats: int = REPEATS) -> None:
        self.device, self.repeats = device, repeats

    def spread(self, *calls: Call) -> Spread:
        graph = recorded(self.device, [calls[n % len(calls)] for n in range(self.repeats)])
        graph.replay()
        return Spread.of([self._between(graph.replay) / self.repeats for _ in range(REPLAYS)])

    def eager(self, call: Call) -> Spread:
        for _ in range(WARM_UP):
            call()

        def repeated() -> None:
            for _ in range(self.repeats):
                call()

        return Spread.of([self._between(repeated) / self.repeats for _ in range(REPLAYS)])

    def _between(self, call: Call) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) * 1e3


class ClockTimer:
    """The same calls by the clock, as few as show that they work."""

    def spread(self, *calls: Call) -> Spread:
        for call in calls:
            call()
        return Spread.of([_clocked(call) for call in (*calls, calls[0])])

    def eager(self, call: Call) -> Spread:
        return self.spread(call)


def recorded(device: torch.device, calls: list[Call]) -> torch.cuda.CUDAGraph:
    """The calls, one after another, as a graph."""
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            for call in dict.fromkeys(calls):
                call()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize(device)
    # Not by `torch.cuda.graph`, which also empties the allocator's cache, hundreds of times here.
    with repaired(device) as pool, torch.cuda.stream(stream):
        graph.capture_begin(pool, capture_error_mode="thread_local")
        try:
            for call in calls:
                call()
        finally:
            graph.capture_end()
    return graph


def spreads(timer: Timer, ways: Mapping[str, Call]) -> dict[str, Spread | str]:
    """Of each way, or why it fails: the others are measured all the same."""
    found: dict[str, Spread | str] = {}
    for name, call in ways.items():
        try:
            found[name] = timer.spread(call)
        except Exception as error:
            cause = error.__context__ or error  # of a recording, its end says only that it failed
            line = next(iter(str(cause).splitlines()), "")
            found[name] = f"failed: {type(cause).__name__}: {line}"
    return found


def host_us(call: Call, times: int) -> Spread:
    """Microseconds in which a call returns, whatever it leaves to the device."""
    call()
    return Spread.of([_clocked(call) for _ in range(times)])


def copies(bytes_of_one: int, *, smoke: bool) -> int:
    """How many sets of buffers are needed so that no cache holds them all."""
    return 1 if smoke else max(1, min(40, -(-CACHE // max(bytes_of_one, 1))))


def _clocked(call: Call) -> float:
    begun = perf_counter()
    call()
    return (perf_counter() - begun) * 1e6
