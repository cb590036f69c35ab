"""Data sets to measure on: the recipe's own, or pairs drawn for it; and what many pairs cost."""

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
from imtrans.benchmark.feeding import AHEAD, Walk
from imtrans.data.cache.fingerprint import fingerprint
from imtrans.data.drawn.pairs import draw_pairs, write_pairs
from imtrans.data.loader import Batches
from imtrans.data.workers import worker_count
from imtrans.host.devices import choose_device
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import ComponentTable, Recipe
from imtrans.task import Task

DRAWN = 10  # pictures; each stands in a data set as often as is needed
BATCHES = 10  # that are timed


@dataclass(frozen=True)
class SetCost:
    """What a data set of so many pairs costs before and in training; none of it is decoded pixels.

    `kept` and `peak` are Python's own memory (bytes): of the list of pairs, and while it is made.
    `sent` is what each loading process is given of it where processes are not forked.
    """

    pairs: int
    listing: float  # seconds: every file is found and paired
    looking_up: float  # seconds: every file is asked whether it changed since it was cached
    kept: int
    peak: int
    sent: int
    first_batch: float  # ms, from the files, with the start of the loading processes
    batch: float  # ms of one batch, from the files
    batch_size: int
    workers: int


def set_cost(recipe: Recipe, catalog: Catalog, pairs: int, device: str | None) -> SetCost:
    """Make a data set of this many pairs, links to a few drawn ones, and see what it costs."""
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
        tracemalloc.start()  # in a pass of its own: it slows everything down
        try:
            found = Task(stored, catalog).pairs
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        size = stored.train.batch_size
        workers = worker_count(stored.data.workers, choose_device(device))
        batches = Batches(found, sampler, size, workers=workers, pin=False)
        walk = cast(Walk, batches.start(1, 0))
        with closing(walk):
            first, each = _batches(walk, AHEAD * workers)
        sent = len(pickle.dumps(found))
        return SetCost(
            pairs, listing, looking_up, kept, peak, sent, first * 1e3, each * 1e3, size, workers
        )


def _batches(walk: Walk, ready: int) -> tuple[float, float]:
    """Seconds of the first batch, and of each later one when nothing is ready any more."""
    begun = perf_counter()
    next(walk)
    first = perf_counter() - begun
    for _ in range(ready):
        next(walk)
    begun = perf_counter()
    for _ in range(BATCHES):
        next(walk)
    return first, (perf_counter() - begun) / BATCHES


@contextmanager
def drawn(recipe: Recipe, pairs: int) -> Iterator[Recipe]:
    """The recipe with drawn pairs for its data: photographs alone where it derives their sources.

    They go when this is left. Raises ImtransError when the recipe's sides
    cannot be drawn.
    """
    sides = (
        (recipe.data.target,) if recipe.data.derive else (recipe.data.source, recipe.data.target)
    )
    if any(side.dtype != "uint8" or side.channels not in (1, 3) for side in sides):
        raise ImtransError("pictures of these channels or of this depth cannot be drawn")
    with TemporaryDirectory(prefix="imtrans-bench-") as folder:
        root = Path(folder, "pairs")
        _draw(root / "train", min(pairs, DRAWN), recipe)
        _multiply(root / "train", pairs)
        layout = ComponentTable(name="photos" if recipe.data.derive else "side_by_side")
        changes = {"root": str(root), "layout": layout, "train": "train", "validation": None}
        yield recipe.model_copy(update={"data": recipe.data.model_copy(update=changes)})


def _draw(folder: Path, count: int, recipe: Recipe) -> None:
    size = recipe.data.load_size or recipe.data.crop_size
    pairs = draw_pairs(count, seed=3, size=size)
    if not recipe.data.derive:
        return write_pairs(folder, pairs)
    folder.mkdir(parents=True)
    for number, (_, photo) in enumerate(pairs):
        photo.save(folder / f"{number:04d}.png")


def _multiply(folder: Path, count: int) -> None:
    """More names for the same files; a file system bears only so many for one, then it is
    copied."""
    originals = sorted(folder.iterdir())
    for number in range(len(originals), count):
        original = originals[number % len(originals)]
        name = folder / f"{number:07d}{original.suffix}"
        try:
            os.link(original, name)
        except OSError:
            shutil.copy(original, name)
            originals[number % len(originals)] = name
