"""A gradient before the first step, which leaves no mark: what cannot be computed is found out."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.recipe.schema import Recipe
from imtrans.task import Parts
from imtrans.training.step.engine import Engine, plain

Say = Callable[[str], None]
ALIKE = 0.9  # the least cosine of two gradients that count as one; bf16 keeps above 0.99


def tried_model(recipe: Recipe, parts: Parts, engine: Engine, say: Say) -> Pix2Pix:
    """The model of a recipe on the engine, or on the next simpler one that can compute it.

    An engine has to find the textbook's gradient: a plugin's network may not bear another memory
    format or precision, torch may compute something wrong there without a word, and a machine may
    lack the compiler. One line says so then. What the textbook's step cannot compute either, fails
    in it.
    """
    if not engine.fast:
        return Pix2Pix(parts, recipe.train, engine)
    expected = _gradients(recipe, parts, Pix2Pix(parts, recipe.train, plain(engine.device)))
    for simpler in _simpler(engine):
        model = Pix2Pix(parts, recipe.train, engine)
        try:
            _compare(expected, _gradients(recipe, parts, model))
            return model
        except Exception as error:
            if is_out_of_memory(error):
                raise
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
    if engine.precision != "fp32":
        yield replace(engine, compiled=False, precision="fp32")
    yield plain(engine.device)


def _gradients(recipe: Recipe, parts: Parts, model: Pix2Pix) -> list[list[Tensor]]:
    """The gradients of the generator's parameters and of the discriminator's, for noise: a batch
    as training will have it, so that what is compiled is compiled for it. Nothing is updated.
    Dropout is off, since its noise follows the order of memory."""
    size, encoding = recipe.data.crop_size, parts.encoding
    generator = torch.Generator().manual_seed(0)
    source, target = (
        model.engine.laid_out(
            torch.rand(recipe.train.batch_size, channels, size, size, generator=generator) * 2 - 1
        ).to(model.device)
        for channels in (encoding.source_channels, encoding.target_channels)
    )
    with leaving_no_mark(model), _without_dropout(model.generator, model.discriminator):
        try:
            fake = model.fake(source)
            model.discriminator_loss(source, target, fake.detach()).backward()
            with model.discriminator_fixed():
                model.generator_loss(source, target, fake)[0].backward()
            return [adam.taken_gradients() for adam in (model.adam_g, model.adam_d)]
        except RuntimeError as error:
            if recipe.train.deterministic and "deterministic" in str(error):
                raise ImtransError(
                    f"train.deterministic = true, but {str(error).splitlines()[0]}. leave it out, "
                    "or choose another network"
                ) from error
            raise
        finally:
            for adam in (model.adam_g, model.adam_d):
                adam.forget_gradients()


def _compare(expected: list[list[Tensor]], found: list[list[Tensor]]) -> None:
    """Raise ArithmeticError unless the gradients point the same way."""
    for role, one, other in zip(("generator", "discriminator"), expected, found, strict=True):
        if len(one) != len(other):
            raise ArithmeticError(f"the {role} has other gradients than the textbook's step")
        likeness = cosine(one, other)
        if not likeness > ALIKE:
            raise ArithmeticError(
                f"the {role}'s gradient is not the textbook's: their cosine is {likeness:.2f}"
            )


def cosine(one: Sequence[Tensor], other: Sequence[Tensor]) -> float:
    """Of the angle between two gradients, each in parts; 1 if both are zero."""
    products = [
        sum(float((a * b).sum(dtype=torch.float64)) for a, b in zip(left, right, strict=True))
        for left, right in ((one, other), (one, one), (other, other))
    ]
    across, first, second = products
    return across / math.sqrt(first * second) if first * second else float(first == second)


@contextmanager
def _without_dropout(*networks: nn.Module) -> Iterator[None]:
    layers = [
        module
        for network in networks
        for module in network.modules()
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.training
    ]
    for layer in layers:
        layer.training = False
    try:
        yield
    finally:
        for layer in layers:
            layer.training = True


@contextmanager
def leaving_no_mark(model: Pix2Pix) -> Iterator[None]:
    """Put back, in place, what computing moves beside the weights: running statistics, and the
    random state. Also after a fault."""
    buffers = [b for n in (model.generator, model.discriminator) for b in n.buffers()]
    before = [buffer.clone() for buffer in buffers]
    random, on_device = torch.get_rng_state(), _device_random(model.device)
    try:
        yield
    finally:
        for buffer, old in zip(buffers, before, strict=True):
            buffer.copy_(old)
        torch.set_rng_state(random)
        if on_device is not None:
            torch.cuda.set_rng_state(on_device, model.device)


def _device_random(device: torch.device) -> Tensor | None:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else None
