"""How fast pairs are loaded: each stage alone on one core, and the whole loader."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from imtrans.api.pictures import Pair
from imtrans.data.draws import Order
from imtrans.data.loader import Batches
from imtrans.data.samples import Sampler
from imtrans.host.machine import process_memory

FILES, CACHE = "a sample, from files", "a sample, from the cache"
WARM_UP = 4  # batches, until the workers prefetch


@dataclass(frozen=True)
class Stage:
    """The rate of one stage of loading; without `workers`, on one core."""

    name: str
    pairs_per_second: float
    workers: int = 0
    grown: int | None = None  # bytes by which the memory of this process grew meanwhile


def stages(
    pairs: Sequence[Pair],
    sampler: Sampler,
    *,
    batch_size: int,
    workers: int,
    seconds: float,
) -> Iterator[Stage]:
    """Measure each stage for about `seconds`; the cache's only if the sampler has a cache."""
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
    before = process_memory().anonymous
    rate = _loader_rate(pairs, sampler, batch_size, workers, seconds)
    after = process_memory().anonymous
    grown = after - before if before and after else None
    yield Stage(f"batches of {batch_size}, as training gets them", rate, workers, grown)


def _rate(load: Callable[[int], object], pairs: Sequence[Pair], seconds: float) -> float:
    load(0)
    count, begun = 0, perf_counter()
    while perf_counter() - begun < seconds:
        load(count % len(pairs))
        count += 1
    return count / (perf_counter() - begun)


def _loader_rate(
    pairs: Sequence[Pair],
    sampler: Sampler,
    batch_size: int,
    workers: int,
    seconds: float,
) -> float:
    order = Order(sampler.seed, len(pairs), batch_size)
    batches = Batches(pairs, sampler, order, workers=workers, pin=False).start(1, 0)
    for _ in range(WARM_UP):
        next(batches)
    count, begun = 0, perf_counter()
    while perf_counter() - begun < seconds:
        count += len(next(batches)[1])
    return count / (perf_counter() - begun)
