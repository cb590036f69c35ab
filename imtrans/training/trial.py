"""One step before the first, which leaves no mark: what cannot be computed is found out here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from imtrans.assemble import Parts
from imtrans.errors import ImtransError, is_out_of_memory
from imtrans.schema import Recipe
from imtrans.training.engine import Engine, plain
from imtrans.training.pix2pix import Pix2Pix

Say = Callable[[str], None]


def tried_model(recipe: Recipe, parts: Parts, engine: Engine, say: Say) -> Pix2Pix:
    """The model of a recipe on the engine, or on the next simpler one that can compute it.

    A plugin's network may not bear another memory format or precision, and a machine may lack the
    compiler: then one line says so. What the textbook's step cannot compute either, fails in it.
    """
    for simpler in _simpler(engine):
        model = Pix2Pix(parts, recipe.train, engine)
        try:
            _try(recipe, parts, model)
            return model
        except Exception as error:
            if is_out_of_memory(error):
                raise
            if recipe.train.deterministic and "deterministic" in str(error):
                raise ImtransError(
                    f"train.deterministic = true, but {str(error).splitlines()[0]}. leave it out, "
                    "or choose another network"
                ) from error
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            say(f"the engine '{engine}' cannot train this recipe ({reason}); taking '{simpler}'")
            engine = simpler
    for network in (parts.generator, parts.discriminator):
        network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return Pix2Pix(parts, recipe.train, engine)


def _simpler(engine: Engine) -> Iterator[Engine]:
    """What to take when an engine fails, step by step; nothing is simpler than the plain one."""
    if engine.compiled:
        yield replace(engine, compiled=False)
    if engine.fast:
        yield plain(engine.device)


def _try(recipe: Recipe, parts: Parts, model: Pix2Pix) -> None:
    """Take a step on noise, of the size that training will have: what is compiled is compiled for
    it."""
    size, encoding = recipe.data.crop_size, parts.encoding
    generator = torch.Generator().manual_seed(0)
    source, target = (
        torch.rand(recipe.train.batch_size, channels, size, size, generator=generator) * 2 - 1
        for channels in (encoding.source_channels, encoding.target_channels)
    )
    with leaving_no_mark(model):
        model.step(source.to(model.device), target.to(model.device))


@contextmanager
def leaving_no_mark(model: Pix2Pix) -> Iterator[None]:
    """Put back, in place, everything that steps change: also after a fault."""
    networks = (model.generator, model.discriminator)
    tensors = [t for network in networks for t in (*network.parameters(), *network.buffers())]
    before = [tensor.detach().clone() for tensor in tensors]
    moments = {key: value.clone() for key, value in model.optimizer_state().items()}
    random, on_device = torch.get_rng_state(), _device_random(model.device)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, old in zip(tensors, before, strict=True):
                tensor.copy_(old)
        model.load_optimizer_state(moments)
        torch.set_rng_state(random)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, model.device)


def _device_random(device: torch.device) -> Tensor | None:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
