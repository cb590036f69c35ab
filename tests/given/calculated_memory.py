"""What a training step keeps in memory, calculated: tensors without values go through the step, and
those that are alive at once are added up.

torch's own MemTracker knows no network that is called twice in a step.
"""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from imtrans.api.layers import InstanceNorm
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import Recipe
from imtrans.recipe.sizes import Sides
from imtrans.task import Task
from imtrans.training.step.engine import Engine
from imtrans.training.step.step import Step

CPU = torch.device("cpu")
STEPS = 2  # Adam's moments are there from the second on


class Alive(TorchDispatchMode):
    """Adds up the memory of all tensors that operations make, for as long as they live."""

    def __init__(self) -> None:
        super().__init__()
        self.now, self.peak = 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = operation(*args, **(kwargs or {}))
        tree_map_only(Tensor, self.seen, made)
        return made

    def seen(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._known:
            return
        self._known.add(storage._cdata)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def resized(recipe: Recipe, size: Sides) -> Recipe:
    """The recipe at a height and width, with a batch of one."""
    data = recipe.data.model_copy(update={"crop_size": size, "load_size": None})
    train = recipe.train.model_copy(update={"batch_size": 1, "accumulate": 1, "engine": "plain"})
    return recipe.model_copy(update={"data": data, "train": train})


def peak(recipe: Recipe, precision: str, epoch: int) -> int:
    """Bytes that are alive at the peak of a step of an epoch: weights, gradients, Adam's moments,
    what is kept for the backward passes."""
    task = Task(recipe, catalog())
    with FakeTensorMode(), as_on_a_gpu():
        step = Step(unchecked_method(task), Engine("plain", CPU, precision), recipe.train)
        step.begin_epoch(epoch)
        batch = task.noise(CPU, 1)
        alive = Alive()
        for tensor in (*step.method.state_dict().values(), *batch):
            alive.seen(tensor)
        with alive:
            for _ in range(STEPS):
                step(batch)
        return alive.peak


def unchecked_method(task: Task) -> nn.Module:
    """The method without the checks before a training, which look at values."""
    return task._method.build(task._parts(CPU), **task.recipe.method.options)


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """In bf16 an instance norm computes in fp32 on a CPU alone. And modules stay where they are:
    tensors without values cannot be moved."""
    normalise, move = InstanceNorm.forward, nn.Module.to
    InstanceNorm.forward = nn.InstanceNorm2d.forward
    nn.Module.to = lambda module, *_, **__: module
    try:
        yield
    finally:
        InstanceNorm.forward, nn.Module.to = normalise, move
