"""What a training will be and take, before it begins. Nothing is written, and nothing kept."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import mul
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from imtrans.checking.cost import memory_of, seconds_of
from imtrans.checking.data.look_first import look_first
from imtrans.data.cache.fingerprint import fingerprint
from imtrans.data.cache.obtain import PAYS, ReadWhole, estimated_bytes
from imtrans.data.cache.store import home
from imtrans.host.devices import choose_device, computing, free_memory
from imtrans.host.words import size
from imtrans.recipe.schema import Recipe
from imtrans.runs.listing import newest_whole
from imtrans.runs.run_dir import RunDir, is_trained_in
from imtrans.runs.state import modules
from imtrans.task import Task
from imtrans.training.step.engine import Engine, choose_engine
from imtrans.training.step.step import Step, first_epochs
from imtrans.training.step.trial import tried_step
from imtrans.training.warm_start import start_from

Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Disk:
    """Bytes of a run's checkpoints, when one more than is kept is just written."""

    checkpoint: int
    count: int
    best: int
    free: int

    @property
    def total(self) -> int:
        return self.checkpoint * self.count + self.best


@dataclass(frozen=True)
class Progress:
    """What becomes of the run directory, how many steps are done, and how many are left."""

    run: str
    done: int
    left: int


@dataclass(frozen=True)
class Plan:
    """What `--dry-run` reports."""

    pairs: int
    validation_pairs: int
    networks: dict[str, int]  # parameters, by name
    device: torch.device
    engine: Engine
    progress: Progress
    per_epoch: int  # steps
    disk: Disk
    cache: str
    memory: int | None  # bytes at the peak; None where it cannot be measured
    fits: bool
    free: int | None  # bytes on the device
    stages: list[int]  # the first epoch of each, where the method's phases change
    seconds: float | None = None  # of one step, the mean of those left; None where it would not fit


def plan(task: Task, run_dir: Path, *, device: str | None, fresh: bool, say: Say) -> Plan:
    """Resolve a recipe as training would, and measure what it takes. Raises ImtransError for what
    training would refuse."""
    with computing(deterministic=task.recipe.train.deterministic):
        return _plan(task, run_dir, choose_device(device), fresh, say)


def _plan(task: Task, run_dir: Path, device: torch.device, fresh: bool, say: Say) -> Plan:
    train = task.recipe.train
    look_first(task, say)
    per_epoch = task.steps_per_epoch()
    engine = choose_engine(train, device, train.epochs * per_epoch)
    method = task.method(device)
    task.loggers(run_dir)
    progress = _progress(task.recipe, run_dir, per_epoch, fresh)
    if train.init_from and not progress.done:
        start_from(train.init_from, method, say)
    stages = first_epochs(method, train.epochs)
    memory, fits = memory_of(task.recipe, engine, free_memory(device))
    # Compiling takes a minute, and leaves files behind.
    eager = replace(engine, compiled="")
    if fits:
        step = tried_step(method, eager, train, task.first_batch(device), say)
        engine = engine if step.engine == eager else step.engine  # as training will choose it
    else:
        step = Step(method, eager, train)  # whose trial would end this process too
    found = Plan(
        len(task.pairs),
        len(task.validation_pairs),
        {name: _count(network) for name, network in method.networks().items()},
        device,
        engine,
        progress,
        per_epoch,
        _disk(step, task, run_dir, stages),
        _cache(task, -(-progress.left // per_epoch)),
        memory,
        fits,
        free_memory(device),
        stages,
    )
    if not fits:
        return found
    seconds = _in_stages(step, stages, partial(seconds_of, task, say))
    return replace(found, seconds=_mean_of_those_left(found, train.epochs, seconds))


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _progress(recipe: Recipe, run_dir: Path, per_epoch: int, fresh: bool) -> Progress:
    train = recipe.train
    whole = train.epochs * per_epoch
    busy = ". another process trains there now" if is_trained_in(run_dir) else ""
    if fresh and run_dir.exists():
        there = f"{run_dir}: new; the run that is there would be renamed{busy}"
        return Progress(there, 0, whole)
    run = RunDir(run_dir, recipe)
    run.claim()
    header = newest_whole(run_dir) if run.learned() else None
    if not header or not header.step:
        return Progress(f"{run_dir}: new{busy}", 0, whole)
    same = header.number("batches_per_epoch") == per_epoch
    done_in_epoch = header.number("batch") if same else 0
    left = max((train.epochs - header.epoch + 1) * per_epoch - done_in_epoch, 0)
    text = f"{run_dir}: would continue after step {header.step}{busy}"
    return Progress(text, header.step, left)


def _disk(step: Step, task: Task, run_dir: Path, stages: Sequence[int]) -> Disk:
    files = {name: _bytes(module.state_dict()) for name, module in modules(step).items()}
    moments = max(_in_stages(step, stages, _moments))
    translators = sum(files[name] for name in step.translating)
    behind = translators if step.averages else 0
    keeps_best = task.recipe.validation.best_metric and task.validation_pairs
    there = run_dir.resolve()
    while not there.exists():
        there = there.parent
    return Disk(
        sum(files.values()) + moments + behind,
        task.recipe.train.keep_last + 1,
        translators if keeps_best else 0,
        shutil.disk_usage(there).free,
    )


def _moments(step: Step) -> int:
    trained = [p for adam in step.optimizers.values() for p in adam.parameters]
    return 2 * sum(p.numel() * p.element_size() for p in trained)


def _in_stages(step: Step, stages: Sequence[int], measured: Callable[[Step], T]) -> list[T]:
    """What is measured of a step in each of its stages."""
    found = []
    for epoch in stages:
        step.begin_epoch(epoch)
        found.append(measured(step))
    step.begin_epoch(1)
    return found


def _bytes(state: dict[str, Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in state.values())


def _cache(task: Task, passes: int) -> str:
    """Whether pixels are read from a cache, and how large it is or will be."""
    data, sampler = task.recipe.data, task.sampler
    load_size = sampler.load_size
    if data.cache is False:
        return "none, since data.cache = false"
    if (home() / fingerprint(task.pairs, data, load_size, paired=task.paired)).is_dir():
        return f"there already, in {home()}"
    if data.cache == "auto" and passes < PAYS:
        return f"none: it pays from {PAYS} epochs on"
    needed = estimated_bytes(ReadWhole(sampler.reader, task.pairs, load_size))
    limit = int(data.cache_limit * 1e9)
    if needed > limit:
        return f"none: {size(needed)} needed, and data.cache_limit is {size(limit)}"
    return f"would be built: about {size(needed)}, in {home()}"


def _mean_of_those_left(plan: Plan, epochs: int, seconds: Sequence[float]) -> float:
    """Of what a step takes in each stage, weighted by its epochs that are left."""
    done = epochs - plan.progress.left / plan.per_epoch
    ends = [*(first - 1 for first in plan.stages[1:]), epochs]
    left = [
        max(end - max(first - 1, done), 0.0) for first, end in zip(plan.stages, ends, strict=True)
    ]
    if not any(left):
        return seconds[-1]
    return sum(map(mul, left, seconds)) / sum(left)
