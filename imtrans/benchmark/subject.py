"""What is measured: the training step of a recipe on an engine, at a batch and image size."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from imtrans.api.method import Batch
from imtrans.host.devices import synchronize
from imtrans.recipe.schema import Recipe
from imtrans.task import Task
from imtrans.training.step.engine import Engine, choose_engine, plain
from imtrans.training.step.stepper import Stepper
from imtrans.training.step.trial import tried_step

Say = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """A method in training, and a batch of noise on its device."""

    task: Task
    stepper: Stepper
    batch: Batch

    @property
    def engine(self) -> Engine:
        return self.stepper.step.engine

    @property
    def device(self) -> torch.device:
        return self.engine.device

    def step(self) -> object:
        return self.stepper(self.batch)


def build(task: Task, engine: Engine, say: Say) -> Subject:
    """The task's method on this engine, or on a simpler one that can compute it, with a message.

    Two subjects of one recipe have the same weights and the same batch.
    """
    if engine.compiled:
        torch.compiler.reset()  # else kernels become dynamic because other sizes were compiled
    train = task.recipe.train
    step = tried_step(task.method(engine.device), engine, train, task.noise(engine.device), say)
    batch = task.noise(engine.device, train.batch_size * train.accumulate)
    return Subject(task, Stepper(step, say), batch)


def engines(recipe: Recipe, device: torch.device) -> dict[str, Engine]:
    """`plain`, and `fast` as train.engine = 'auto' chooses it."""
    train = recipe.train.model_copy(update={"engine": "auto"})
    return {"plain": plain(device), "fast": choose_engine(train, device)}


def resized(recipe: Recipe, *, batch: int, size: int | None = None) -> Recipe:
    """The recipe with another batch size, without accumulation, and another image size (px)."""
    train = recipe.train.model_copy(update={"batch_size": batch, "accumulate": 1})
    if size is None:
        return recipe.model_copy(update={"train": train})
    data = recipe.data.model_copy(update={"crop_size": size, "load_size": None})
    return recipe.model_copy(update={"train": train, "data": data})


def waiting_for(device: torch.device) -> Callable[[], None]:
    """A function that returns when the device has finished everything it was given."""
    return partial(synchronize, device)
