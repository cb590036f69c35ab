"""A variant of the engine at work: a function that takes one step on the next batch."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor

from imtrans.data.cache.obtain import PAYS, obtain
from imtrans.host.group import alone
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import read
from imtrans.recipe.schema import Recipe
from imtrans.task import Task
from imtrans.training.feeding import Feeding, ResidentFeed, feed_of
from imtrans.training.step.engine import Engine
from imtrans.training.step.step import Step
from imtrans.training.step.stepper import Stepper


@dataclass(frozen=True)
class Driven:
    """A variant that takes steps. `notes` are what it says, as where it can record no graph."""

    step: Callable[[], dict[str, Tensor]]  # takes `count` steps; the losses of the last launch
    count: int
    notes: list[str]
    start: float  # seconds until the first step is done
    peak: int | None  # bytes allocated on the GPU meanwhile, beside what was there


def drive(recipe: Recipe, engine: Engine) -> Driven:
    """Build a variant and take its first step, in which it is compiled and recorded.

    The engine is not compared with the plain one here: nothing simpler replaces it.
    """
    device, notes = engine.device, list[str]()
    before = _allocated(device)
    begun = perf_counter()
    task = Task(recipe, catalog())
    torch.manual_seed(recipe.seed)
    if engine.compiled:
        torch.compiler.reset()  # else kernels become dynamic because other sizes were compiled
    stepper = Stepper(Step(task.method(device), engine, recipe.train), notes.append)
    feed = _feed(task, engine)
    feed.start(1, 0)

    def step() -> dict[str, Tensor]:
        left, losses = engine.launch, dict[str, Tensor]()
        while left:
            while isinstance(feed, ResidentFeed) and not feed.whole:
                feed.next()  # a smaller batch would be compiled by itself
            feed.fetch()
            taken, losses = stepper.take(feed, left)
            left -= taken
        return {name: values.reshape(-1)[-1] for name, values in losses.items()}

    step()
    peak = _allocated(device, peak=True)
    used = None if peak is None or before is None else peak - before
    return Driven(step, engine.launch, notes, perf_counter() - begun, used)


def _feed(task: Task, engine: Engine) -> Feeding:
    """As training has it."""
    cache = obtain(task.sampler, task.pairs, passes=PAYS, say=lambda line: None)
    return feed_of(task, task.sampler.reading(cache), engine, alone(), lambda line: None)


def _allocated(device: torch.device, *, peak: bool = False) -> int | None:
    if device.type != "cuda":
        return None
    if peak:
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_allocated(device)


def reread(path: Path) -> Recipe:
    """A recipe that another process has written."""
    return read(path, catalog=catalog())
