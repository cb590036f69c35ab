"""A variant of the engine at work: a function that takes one step on the next batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch
from torch import Tensor

from imtrans.api.method import Batch
from imtrans.data.cache.obtain import PAYS, obtain
from imtrans.data.loader import Batches
from imtrans.data.reading import Sample
from imtrans.data.resident import Resident, fits
from imtrans.data.workers import worker_count
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import read
from imtrans.recipe.schema import Recipe
from imtrans.task import Task
from imtrans.training.step.engine import Engine
from imtrans.training.step.step import Step
from imtrans.training.step.stepper import Stepper


@dataclass(frozen=True)
class Driven:
    """A variant that takes steps. `notes` are what it says, as where it can record no graph."""

    step: Callable[[], dict[str, Tensor]]
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
    batches = _batches(task, device)

    def step() -> dict[str, Tensor]:
        source, target = (side.to(device, non_blocking=True) for side in next(batches))
        return stepper(Batch(*task.encoding.encode(source, target)))

    step()
    peak = _allocated(device, peak=True)
    used = None if peak is None or before is None else peak - before
    return Driven(step, notes, perf_counter() - begun, used)


def _batches(task: Task, device: torch.device) -> Iterator[Sample]:
    """The whole batches as training gets them: a smaller one would be compiled by itself."""
    whole = task.images_per_step
    return (batch for batch in _all_batches(task, device) if len(batch[0]) == whole)


def _all_batches(task: Task, device: torch.device) -> Iterator[Sample]:
    cache = obtain(task.sampler, task.pairs, passes=PAYS, say=lambda line: None)
    sampler, size = task.sampler.reading(cache), task.images_per_step
    if fits(sampler, device):
        return Resident(sampler, size, device).start(1, 0)
    workers = worker_count(task.recipe.data.workers, device, quick=sampler.quick)
    pin = device.type == "cuda"
    return Batches(task.pairs, sampler, size, workers=workers, pin=pin).start(1, 0)


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
