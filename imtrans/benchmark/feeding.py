"""Steps that are fed from files, as in training: what the loader costs."""

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
from imtrans.benchmark.subject import Subject, waiting_for
from imtrans.data.cache.obtain import PAYS, obtain
from imtrans.data.loader import Batches
from imtrans.data.pairs import Some
from imtrans.data.reading import Sample
from imtrans.data.resident import Resident, fits
from imtrans.data.samples import Sampler
from imtrans.data.workers import worker_count
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.task import Task

PAIRS = 256  # that are read, at least
AHEAD = 2  # batches that each worker of torch's DataLoader has ready
STEPS, SECONDS = 5, 2.0  # at least, both of them


class Walk(Protocol):
    """Batches, one after another, that can be left."""

    def __next__(self) -> Sample: ...
    def close(self) -> None: ...


@dataclass(frozen=True)
class Fed:
    """Steps through the loader."""

    ms: float  # per step
    images_per_second: float
    waiting: float  # share of the time in which a step waited for its batch, 0 .. 1
    steps: int
    how: str  # whose pairs, and which way their pixels came


def feed(
    recipe: Recipe,
    catalog: Catalog,
    pairs: Sequence[Pair],
    whose: str,
    subject: Subject,
    seconds: float,
) -> Fed:
    """Take steps on real batches for about `seconds`, of pairs cached as training would have them.

    Some of the pairs do for all, and those of a small set are taken more than once, so that every
    batch is whole. Raises ImtransError when a pair cannot be read.
    """
    size, device = recipe.train.batch_size, subject.device
    count = size * ceil(PAIRS / size)
    enough = Some(pairs, [number % len(pairs) for number in range(count)])
    sampler = Task(recipe, catalog).sampler
    with TemporaryDirectory(prefix="imtrans-bench-") as folder, caches_in(folder):
        sampler = sampler.reading(obtain(sampler, enough, passes=PAYS, say=_nobody))
        walk, ready, how = _walk(recipe, enough, sampler, device)
        with closing(walk):
            return _timed(walk, subject, ready, seconds, f"{whose}, {how}")


def _walk(
    recipe: Recipe, pairs: Sequence[Pair], sampler: Sampler, device: torch.device
) -> tuple[Walk, int, str]:
    """The batches as training gets them, how many are ready before they are wanted, and how."""
    size = recipe.train.batch_size
    if fits(sampler, device):
        resident = Resident(sampler, size, device)
        return cast(Walk, resident.start(1, 0)), 0, f"on {device} as a whole"
    workers = worker_count(recipe.data.workers, device, quick=sampler.quick)
    read = Batches(pairs, sampler, size, workers=workers, pin=device.type == "cuda")
    told = f"from {'the cache' if sampler.cache else 'files'}, workers {workers}"
    return cast(Walk, read.start(1, 0)), AHEAD * workers, told


def _timed(walk: Walk, subject: Subject, ready: int, seconds: float, how: str) -> Fed:
    device = subject.device
    wait, take = waiting_for(device), _taking(subject, device)
    for _ in range(1 + ready):  # what was read ahead cost no waiting
        take(next(walk))
    wait()
    begun, waited, steps = perf_counter(), 0.0, 0
    while steps < STEPS or perf_counter() - begun < seconds:
        asked = perf_counter()
        batch = next(walk)
        waited += perf_counter() - asked
        take(batch)
        steps += 1
    wait()
    spent = perf_counter() - begun
    images = steps * len(subject.batch.source)
    return Fed(spent / steps * 1000, images / spent, waited / spent, steps, how)


def _taking(subject: Subject, device: torch.device) -> Callable[[Sample], object]:
    def take(batch: Sample) -> object:
        source, target = (pixels.to(device, non_blocking=True) for pixels in batch)
        return subject.stepper(Batch(*subject.task.encoding.encode(source, target)))

    return take


def _nobody(line: str) -> None:
    pass


@contextmanager
def caches_in(folder: str) -> Iterator[None]:
    """Caches of pixels are made and looked for in this folder."""
    before = os.environ.get("IMTRANS_CACHE")
    os.environ["IMTRANS_CACHE"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["IMTRANS_CACHE"]
        else:
            os.environ["IMTRANS_CACHE"] = before
