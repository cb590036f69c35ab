"""This machine, and what a step of a drafted recipe takes on it."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic, process_time

import torch

from imtrans.api.errors import is_out_of_memory
from imtrans.checking.cost import memory_of, seconds_of
from imtrans.checking.machine.hardware import precision
from imtrans.data.cache.store import home
from imtrans.host.devices import choose_device, choose_precision, computing, free_memory
from imtrans.host.machine import cores, cpu_name
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.task import Task
from imtrans.training.step.engine import choose_engine
from imtrans.training.step.step import Step

# Bytes that training takes at most, for each pixel that the network sees at width 64: measured
# 1.3 GB for one picture of 256 px and 0.1 GB for each further one, and taken three times.
FIRST, EACH = 3 * 1.3e9, 3 * 0.1e9 / 256**2
BUSY = 0.6  # of its cores: a machine that is not idle


@dataclass(frozen=True)
class Machine:
    """What a plan has to know of it."""

    device: str = "cpu"
    name: str = "unknown"
    free: int | None = None  # bytes of memory on the device
    auto: str = "fp32"  # the precision that "auto" means here
    faster: str = "fp32"  # the one that was measured to be faster
    disk: int | None = None  # bytes free where decoded pairs are cached
    busy: bool = False  # whether other programs use its cores


@dataclass(frozen=True)
class Cost:
    """What a step takes: seconds, if one could be taken, and whether its memory is there."""

    seconds: float | None
    fits: bool
    memory: int | None = None  # bytes at the peak, where it was measured
    engine: str = ""
    failure: str = ""  # why no step could be taken


def this_machine() -> Machine:
    """What a short look at this machine shows."""
    device = choose_device()
    faster = precision(device)[1]
    auto = choose_precision("auto", device)
    free, busy = free_memory(device), is_busy()
    return Machine(device.type, _name(device), free, auto, faster, _disk(), busy)


def _disk() -> int:
    there = home()
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{cpu_name()}, {cores()} cores" if device.type == "cpu" else device.type


def cost(recipe: Recipe, catalog: Catalog) -> Cost:
    """What a step of this recipe takes here, measured on noise."""
    device = choose_device()
    engine = replace(choose_engine(recipe.train, device), compiled="")  # that takes a minute
    free = free_memory(device)
    memory, fits = None, True
    if device.type == "cuda" or _is_close(recipe, free):
        memory, fits = memory_of(recipe, engine, free)
    if not fits:
        return Cost(None, False, memory, str(engine))
    task = Task(_without_accumulation(recipe), catalog)
    try:
        with computing(deterministic=recipe.train.deterministic):
            step = Step(task.method(device), engine, task.recipe.train)
            seconds = seconds_of(task, lambda line: None, step, _clock(device))
    except (RuntimeError, ValueError) as error:
        fits = not is_out_of_memory(error)
        return Cost(None, fits, memory, str(engine), " ".join(str(error).split())[:200])
    return Cost(seconds * recipe.train.accumulate, True, memory, str(engine))


def _clock(device: torch.device) -> Callable[[], float]:
    """Beside other programs a CPU's step may take many times as long by the wall clock: then what
    the process computes tells how long it will take without them."""
    if device.type == "cpu" and is_busy():
        return lambda: process_time() / torch.get_num_threads()
    return monotonic


def is_busy() -> bool:
    """Whether other programs use this machine's cores."""
    return os.getloadavg()[0] > BUSY * cores()


def _is_close(recipe: Recipe, free: int | None) -> bool:
    """Whether memory may not suffice."""
    height, width = recipe.data.crop
    needed = FIRST + EACH * height * width * recipe.train.batch_size
    return free is not None and needed > free


def _without_accumulation(recipe: Recipe) -> Recipe:
    train = recipe.train.model_copy(update={"accumulate": 1})
    return recipe.model_copy(update={"train": train})
