"""What is measured: the training step of a recipe on an engine, at a batch and image size."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.data.encoding import Encoding
from imtrans.host.devices import synchronize
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.task import assemble
from imtrans.training.step.engine import Engine, choose_engine, plain
from imtrans.training.step.stepper import Stepping
from imtrans.training.step.trial import tried_model

Say = Callable[[str], None]


@dataclass(frozen=True)
class Subject:
    """A model in training, and a batch of noise on its device."""

    model: Pix2Pix
    encoding: Encoding
    stepping: Stepping
    source: Tensor
    target: Tensor

    @property
    def engine(self) -> str:
        return str(self.model.engine)

    def step(self) -> object:
        return self.stepping(self.source, self.target)


def build(recipe: Recipe, catalog: Catalog, engine: Engine, say: Say) -> Subject:
    """The recipe's model on this engine, or on a simpler one that can compute it, with a message.

    Two subjects of one recipe have the same weights and the same batch.
    """
    if engine.compiled:
        torch.compiler.reset()  # else kernels become dynamic because other sizes were compiled
    parts = assemble(recipe, catalog, engine.device)
    model = tried_model(recipe, parts, engine, say)
    channels = (parts.encoding.source_channels, parts.encoding.target_channels)
    source, target = (noise(recipe, number, engine.device) for number in channels)
    stepping = Stepping(model, recipe.train, say)
    return Subject(model, parts.encoding, stepping, source, target)


def noise(recipe: Recipe, channels: int, device: torch.device) -> Tensor:
    """A batch of noise (N, channels, crop_size, crop_size) in [-1, 1], always the same."""
    size, generator = recipe.data.crop_size, torch.Generator().manual_seed(channels)
    shape = (recipe.train.batch_size, channels, size, size)
    return (torch.rand(shape, generator=generator) * 2 - 1).to(device)


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
