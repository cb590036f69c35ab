"""What is measured: the training step of a recipe on an engine, at some batch and image size."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from imtrans.api.method import Batch
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
    """The task's method on this engine, or on a simpler one that can compute it, which is said.

    Two of one recipe have the same weights and the same batch.
    """
    if engine.compiled:
        torch.compiler.reset()  # else sizes met before make kernels for sizes of all kinds
    train = task.recipe.train
    step = tried_step(task.method(engine.device), engine, train, task.noise(engine.device), say)
    batch = task.noise(engine.device, train.batch_size * train.accumulate)
    return Subject(task, Stepper(step, say), batch)


def engines(recipe: Recipe, device: torch.device) -> dict[str, Engine]:
    """`plain`, and `fast` as train.engine = 'auto' chooses it."""
    train = recipe.train.model_copy(update={"engine": "auto"})
    return {"plain": plain(device), "fast": choose_engine(train, device)}


def resized(recipe: Recipe, *, batch: int, size: int | None = None) -> Recipe:
    """The recipe with another batch size, all of it computed at once, and images of another size
    (px)."""
    train = recipe.train.model_copy(update={"batch_size": batch, "accumulate": 1})
    if size is None:
        return recipe.model_copy(update={"train": train})
    data = recipe.data.model_copy(update={"crop_size": size, "load_size": None})
    return recipe.model_copy(update={"train": train, "data": data})


def waiting_for(device: torch.device) -> Callable[[], None]:
    """What returns when the device has done all it was given."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    if device.type == "mps":
        return torch.mps.synchronize
    return lambda: None
