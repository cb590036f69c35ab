"""Part `loader`: how fast pairs are loaded, and whether a step waits for them."""

from collections.abc import Iterator
from functools import partial
from time import perf_counter
from typing import Any

from pairs import recipe_of
from report import table
from work import Work

from imtrans.benchmark.loader_timing import time_loader
from imtrans.benchmark.loading import stages
from imtrans.benchmark.subject import build
from imtrans.data.cache.obtain import PAYS, obtain
from imtrans.data.draws import Order
from imtrans.data.resident import Resident, fits
from imtrans.host.devices import computing
from imtrans.host.machine import cores
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.step.engine import choose_engine

BATCH, SECONDS = 4, 2.0


def measure(work: Work) -> None:
    counts = (0,) if work.smoke else sorted({0, 4, min(16, cores())})
    measurements = {}
    for origin, cached in (("files", False), ("the cache", True)):
        for workers in counts:
            name = f"from {origin}, workers {workers}"
            measurements[name] = partial(_stages, work, workers, cached=cached)
    measurements["kept on the device"] = partial(_resident, work)
    measurements["steps"] = partial(_steps, work)
    with computing(deterministic=False):
        work.take(measurements)


def _stages(work: Work, workers: int, *, cached: bool) -> dict[str, float]:
    """Pairs per second of each stage."""
    task = _task(work)
    cache = _cache(task) if cached else None
    seconds = 0.02 if work.smoke else SECONDS
    found = stages(
        task.pairs,
        task.sampler.reading(cache),
        batch_size=BATCH,
        workers=workers,
        seconds=seconds,
    )
    return {stage.name: stage.pairs_per_second for stage in found}


def _resident(work: Work) -> dict[str, float] | str:
    """Pairs per second that are cut on the device, which keeps the whole data set."""
    task = _task(work)
    sampler = task.sampler.reading(_cache(task))
    if work.device.type == "cuda" and not fits(sampler, work.device):
        return "the pairs do not fit"
    batches = Resident(sampler, Order(sampler.seed, len(sampler.cache), BATCH), work.device).start(
        1, 0
    )
    next(batches)
    work.wait()
    count, begun = 0, perf_counter()
    while perf_counter() - begun < (0.02 if work.smoke else SECONDS):
        count += len(next(batches)[1])
    work.wait()
    return {"cut on the device": count / (perf_counter() - begun)}


def _steps(work: Work) -> dict[str, Any]:
    """Steps of the engine that training chooses, on batches as training gets them."""
    task = _task(work)
    notes = list[str]()
    subject = build(task, choose_engine(task.recipe.train, work.device), notes.append)
    seconds = 0.1 if work.smoke else SECONDS
    timing = time_loader(task.recipe, catalog(), task.pairs, "its pairs", subject, seconds)
    return {"engine": str(subject.engine), "notes": notes, "timing": timing}


def _task(work: Work) -> Task:
    return Task(recipe_of(work, f"train.batch_size={2 if work.smoke else BATCH}"), catalog())


def _cache(task: Task) -> Any:
    return obtain(task.sampler, task.pairs, passes=PAYS, say=lambda line: None)


def lines(results: dict[str, Any]) -> Iterator[str]:
    rows = [
        (name, stage, rate)
        for name, found in results.items()
        if name != "steps" and isinstance(found, dict)
        for stage, rate in found.items()
    ]
    yield from table(("how", "stage", "pairs/s"), rows)
    if steps := results.get("steps"):
        timing = steps["timing"]
        yield ""
        yield (
            f"Steps of {BATCH} pairs ({steps['engine']}; {timing['how']}): {timing['ms']:.4g} ms, "
            f"{timing['images_per_second']:.4g} images/s, waiting {timing['waiting']:.1%}."
        )
