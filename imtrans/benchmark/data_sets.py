"""Drawn data sets of any size, and what a data set of that size costs in time and memory."""

import os
import pickle
import shutil
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import cast

from imtrans.api.errors import ImtransError
from imtrans.benchmark.loader_timing import PREFETCHED, BatchIterator
from imtrans.data.cache.fingerprint import fingerprint
from imtrans.data.drawn.pairs import draw_pairs, write_pairs
from imtrans.data.draws import Order
from imtrans.data.loader import Batches
from imtrans.data.workers import worker_count
from imtrans.host.devices import choose_device
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.recipe.tables import ComponentTable
from imtrans.task import Task

DRAWN = 10  # different pictures; each is used as often as the data set's size needs
BATCHES = 10  # that are timed


@dataclass(frozen=True)
class SetCost:
    """What a data set of `pairs` pairs costs before and during training, apart from its pixels.

    `kept` and `peak` are Python's own memory (bytes): of the list of pairs, and while it is built.
    `sent` is the pickled size (bytes) that each worker receives where processes are not forked.
    """

    pairs: int
    listing: float  # seconds to find and pair every file
    looking_up: float  # seconds to check whether any file changed since it was cached
    kept: int
    peak: int
    sent: int
    first_batch: float  # ms from files, including the start of the workers
    batch: float  # ms from files
    batch_size: int
    workers: int


def set_cost(recipe: Recipe, catalog: Catalog, pairs: int, device: str | None) -> SetCost:
    """Measure a data set of this many pairs, which are links to a few drawn files."""
    with drawn(recipe, pairs) as stored:
        begun = perf_counter()
        task = Task(stored, catalog)
        found = task.pairs
        listing = perf_counter() - begun
        sampler = task.sampler
        begun = perf_counter()
        fingerprint(found, stored.data, sampler.load_size, paired=sampler.paired)
        looking_up = perf_counter() - begun
        del found, task
        tracemalloc.start()  # in a separate pass: it slows everything down
        try:
            found = Task(stored, catalog).pairs
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        size = stored.train.batch_size
        order = Order(sampler.seed, len(found), size)
        workers = worker_count(stored.data.workers, choose_device(device))
        batches = Batches(found, sampler, order, workers=workers, pin=False)
        iterator = cast(BatchIterator, batches.start(1, 0))
        with closing(iterator):
            first, each = _time_batches(iterator, PREFETCHED * workers)
        sent = len(pickle.dumps(found))
        return SetCost(
            pairs, listing, looking_up, kept, peak, sent, first * 1e3, each * 1e3, size, workers
        )


def _time_batches(batches: BatchIterator, prefetched: int) -> tuple[float, float]:
    """Seconds of the first batch, and of a later one once the prefetched ones are used up."""
    begun = perf_counter()
    next(batches)
    first = perf_counter() - begun
    for _ in range(prefetched):
        next(batches)
    begun = perf_counter()
    for _ in range(BATCHES):
        next(batches)
    return first, (perf_counter() - begun) / BATCHES


@contextmanager
def drawn(recipe: Recipe, pairs: int) -> Iterator[Recipe]:
    """The recipe with drawn pairs as its data, or photographs alone where it derives their sources.

    The files are removed at the end of the context. Raises ImtransError if the recipe needs a depth
    or channels that cannot be drawn.
    """
    sides = (
        (recipe.data.target,) if recipe.data.derive else (recipe.data.source, recipe.data.target)
    )
    if any(side.dtype != "uint8" or side.channels not in (1, 3) for side in sides):
        raise ImtransError("only 8-bit pictures of 1 or 3 channels can be drawn")
    with TemporaryDirectory(prefix="imtrans-bench-") as folder:
        root = Path(folder, "pairs")
        _draw(root / "train", min(pairs, DRAWN), recipe)
        multiply(root / "train", pairs)
        layout = ComponentTable(name="photos" if recipe.data.derive else "side_by_side")
        changes = {"root": str(root), "layout": layout, "train": "train", "validation": None}
        yield recipe.model_copy(update={"data": recipe.data.model_copy(update=changes)})


def _draw(folder: Path, count: int, recipe: Recipe) -> None:
    pairs = draw_pairs(count, seed=3, size=max(recipe.data.load))
    if not recipe.data.derive:
        return write_pairs(folder, pairs)
    folder.mkdir(parents=True)
    for number, (_, photo) in enumerate(pairs):
        photo.save(folder / f"{number:04d}.png")


def multiply(folder: Path, count: int) -> None:
    """Hard-link the files until there are `count`; copy where a file system allows no more links
    to one file."""
    originals = sorted(folder.iterdir())
    for number in range(len(originals), count):
        original = originals[number % len(originals)]
        name = folder / f"{number:07d}{original.suffix}"
        try:
            os.link(original, name)
        except OSError:
            shutil.copy(original, name)
            originals[number % len(originals)] = name
