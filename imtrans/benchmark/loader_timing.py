"""Training steps on batches from the loader: how long they take, and how long they wait."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import ceil
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Protocol, cast

import torch

from imtrans.api.method import Batch
from imtrans.api.pictures import Pair
from imtrans.benchmark.subject import Subject
from imtrans.data.cache.obtain import PAYS, obtain
from imtrans.data.draws import Order
from imtrans.data.loader import Batches
from imtrans.data.pairs import Some
from imtrans.data.reading import Sample
from imtrans.data.resident import Resident, fits
from imtrans.data.samples import Sampler
from imtrans.data.workers import worker_count
from imtrans.host.devices import synchronize
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.task import Task

PAIRS = 256  # that are read, at least
PREFETCHED = 2  # batches that each worker of torch's DataLoader has ready
STEPS, SECONDS = 5, 2.0  # that a measurement has at least, both


class BatchIterator(Protocol):
    """Batches one after another; `close` ends the workers."""

    def __next__(self) -> Sample: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class LoaderTiming:
    """Training steps on batches from the loader."""

    ms: float  # per step
    images_per_second: float
    waiting: float  # share of the time spent waiting for a batch, 0 ... 1
    steps: int
    how: str  # which pairs, and where their pixels came from


def time_loader(
    recipe: Recipe,
    catalog: Catalog,
    pairs: Sequence[Pair],
    description: str,
    subject: Subject,
    seconds: float,
) -> LoaderTiming:
    """Take steps for about `seconds` on batches from the loader, cached as training caches them.

    A part of a large data set is used, and the pairs of a small one more than once, so that every
    batch is full. `description` is of the pairs. Raises ImtransError if a pair cannot be read.
    """
    size, device = recipe.train.batch_size, subject.device
    count = size * ceil(PAIRS / size)
    enough = Some(pairs, [number % len(pairs) for number in range(count)])
    sampler = Task(recipe, catalog).sampler
    with TemporaryDirectory(prefix="imtrans-bench-") as folder, caches_in(folder):
        cache = obtain(sampler, enough, passes=PAYS, say=_silent)
        batches, prefetched, how = _batches(recipe, enough, sampler.reading(cache), device)
        with closing(batches):
            return _timed(batches, subject, prefetched, seconds, f"{description}, {how}")


def _batches(
    recipe: Recipe, pairs: Sequence[Pair], sampler: Sampler, device: torch.device
) -> tuple[BatchIterator, int, str]:
    """The batches as training gets them, how many are prefetched, and where they come from."""
    order = Order(sampler.seed, len(pairs), recipe.train.batch_size)
    if fits(sampler, device):
        resident = Resident(sampler, order, device)
        return cast(BatchIterator, resident.start(1, 0)), 0, f"kept in the memory of {device}"
    workers = worker_count(recipe.data.workers, device, quick=sampler.quick)
    loader = Batches(pairs, sampler, order, workers=workers, pin=device.type == "cuda")
    origin = f"from {'the cache' if sampler.cache else 'files'}, workers {workers}"
    return cast(BatchIterator, loader.start(1, 0)), PREFETCHED * workers, origin


def _timed(
    batches: BatchIterator, subject: Subject, prefetched: int, seconds: float, how: str
) -> LoaderTiming:
    device = subject.device
    step = _step_on_a_batch(subject, device)
    for _ in range(1 + prefetched):  # nothing waits for prefetched batches
        step(next(batches))
    synchronize(device)
    begun, waited, steps = perf_counter(), 0.0, 0
    while steps < STEPS or perf_counter() - begun < seconds:
        asked = perf_counter()
        batch = next(batches)
        waited += perf_counter() - asked
        step(batch)
        steps += 1
    synchronize(device)
    spent = perf_counter() - begun
    images = steps * len(subject.batch.source)
    return LoaderTiming(spent / steps * 1000, images / spent, waited / spent, steps, how)


def _step_on_a_batch(subject: Subject, device: torch.device) -> Callable[[Sample], object]:
    def step(batch: Sample) -> object:
        source, target = (pixels.to(device, non_blocking=True) for pixels in batch)
        return subject.stepper(Batch(*subject.task.encoding.encode(source, target)))

    return step


def _silent(line: str) -> None:
    pass


@contextmanager
def caches_in(folder: str) -> Iterator[None]:
    """Within the context, pixel caches are read and written in this folder."""
    before = os.environ.get("IMTRANS_CACHE")
    os.environ["IMTRANS_CACHE"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["IMTRANS_CACHE"]
        else:
            os.environ["IMTRANS_CACHE"] = before
