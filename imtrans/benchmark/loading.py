"""How fast pairs are loaded: each stage by itself, on one core, and all of it together."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from imtrans.api.pictures import Pair
from imtrans.data.loader import Batches
from imtrans.data.samples import Sampler

FILES, CACHE = "a sample, from files", "a sample, from the cache"
WARM_UP = 4  # batches, until the workers read ahead


@dataclass(frozen=True)
class Stage:
    """One way through, or a part of it: pairs per second, of one core without `workers`."""

    name: str
    pairs_per_second: float
    workers: int = 0
    grown: int | None = None  # bytes that this process took meanwhile


def stages(
    pairs: Sequence[Pair],
    sampler: Sampler,
    *,
    batch_size: int,
    workers: int,
    seconds: float,
) -> Iterator[Stage]:
    """Measure each stage for about `seconds`; the cache's if the sampler has one."""
    reader, size = sampler.reader, sampler.load_size

    def resized(index: int) -> object:
        return reader.open(pairs[index], size).whole()

    def samples(of: Sampler) -> Callable[[int], object]:
        return lambda index: of.training(pairs, 1, index)

    yield Stage("read and decode", _rate(lambda i: reader.open(pairs[i], size), pairs, seconds))
    yield Stage("... and resize", _rate(resized, pairs, seconds))
    yield Stage(FILES, _rate(samples(sampler.reading(None)), pairs, seconds))
    if sampler.cache:
        yield Stage(CACHE, _rate(samples(sampler), pairs, seconds))
    before = resident()
    rate = _through_the_loader(pairs, sampler, batch_size, workers, seconds)
    after = resident()
    grown = after - before if before and after else None
    yield Stage(f"batches of {batch_size}, as training gets them", rate, workers, grown)


def resident() -> int | None:
    """Bytes of memory that this process has taken for itself, where the system tells: what is
    mapped from files is not counted."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    return None


def _rate(load: Callable[[int], object], pairs: Sequence[Pair], seconds: float) -> float:
    load(0)
    count, begun = 0, perf_counter()
    while perf_counter() - begun < seconds:
        load(count % len(pairs))
        count += 1
    return count / (perf_counter() - begun)


def _through_the_loader(
    pairs: Sequence[Pair],
    sampler: Sampler,
    batch_size: int,
    workers: int,
    seconds: float,
) -> float:
    walk = Batches(pairs, sampler, batch_size, workers=workers, pin=False).start(1, 0)
    for _ in range(WARM_UP):
        next(walk)
    count, begun = 0, perf_counter()
    while perf_counter() - begun < seconds:
        count += len(next(walk)[1])
    return count / (perf_counter() - begun)
