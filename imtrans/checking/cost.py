"""What training takes of a machine: memory at its peak, and time for a step."""

from collections.abc import Callable
from statistics import median
from time import monotonic

from imtrans.benchmark.memory import peak
from imtrans.benchmark.own_process import NoMemory
from imtrans.benchmark.subject import waiting_for
from imtrans.recipe.schema import Recipe
from imtrans.task import Task
from imtrans.training.step.engine import Engine
from imtrans.training.step.step import Step
from imtrans.training.step.stepper import Stepper

ENOUGH = 1.0  # s of timed steps
MOST = 5  # timed steps
FEW = 4  # images that show what each further one of a batch takes


def memory_of(recipe: Recipe, engine: Engine, free: int | None) -> tuple[int | None, bool]:
    """Bytes at the peak of training, and whether they are there. A batch of more than a few images
    is measured with one and with a few, in processes of their own, so that what will not fit ends
    those and not the machine: each further image takes as much as these did."""
    batch = recipe.train.batch_size
    few = min(batch, FEW)
    try:
        needed = _peak_of(recipe, engine, few)
        one = _peak_of(recipe, engine, 1) if batch > few else needed
    except NoMemory:
        return None, False
    if one is None or needed is None:
        return None, True
    if batch > few:
        needed += max(needed - one, 0) * (batch - few) // (few - 1)
    return needed, free is None or needed <= free


def _peak_of(recipe: Recipe, engine: Engine, batch: int) -> int | None:
    # Of a large accumulation only the parts' outputs wait, which are small.
    accumulate = min(recipe.train.accumulate, 2)
    changes = {"batch_size": batch, "accumulate": accumulate, "compile": False}
    train = recipe.train.model_copy(update=changes)
    return peak(recipe.model_copy(update={"train": train}), engine.name, engine.device)


def seconds_of(
    task: Task, say: Callable[[str], None], step: Step, clock: Callable[[], float] = monotonic
) -> float:
    """What a step takes by this clock, on noise, after one that is not timed."""
    stepper, seconds = Stepper(step, say), list[float]()
    batch, wait = task.noise(step.device, task.images_per_step), waiting_for(step.device)
    stepper(batch)
    wait()
    while sum(seconds) < ENOUGH and len(seconds) < MOST:
        start = clock()
        stepper(batch)
        wait()
        seconds.append(clock() - start)
    return median(seconds)
