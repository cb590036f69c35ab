"""Gradients before the first step, which leave no trace: what cannot be computed is found out."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.api.method import Batch, Method
from imtrans.recipe.schema import TrainTable
from imtrans.training.step.contract import check_values
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.preserving import preserving_state
from imtrans.training.step.step import Step

Say = Callable[[str], None]
Gradients = dict[str, dict[str, Tensor]]  # phase -> parameter -> gradient
ALIKE = 0.9  # the least cosine of two gradients that count as one; bf16 keeps above 0.99


def tried_step(method: Method, engine: Engine, train: TrainTable, batch: Batch, say: Say) -> Step:
    """The step of a method on the engine, or on the next simpler one that can compute it.

    An engine has to find the gradient of the reference engine on this batch: a plugin's network may
    not bear another memory format or precision, torch may compute something wrong there without a
    word, and a machine may lack the compiler. One line says so then. Raises ImtransError when the
    method breaks its contract; what the reference engine cannot compute either, fails in it.
    """
    if not engine.fast:
        step = Step(method, engine, train)
        gradients(step, batch)
        return step
    no_average = train.model_copy(update={"ema": None})
    expected = gradients(Step(method, plain(engine.device), no_average), batch)
    for simpler in _simpler(engine):
        try:
            step = Step(method, engine, train)
            _compare(expected, gradients(step, batch))
            return step
        except Exception as error:
            if is_out_of_memory(error):
                raise
            reason = next(iter(str(error).splitlines()), "") or type(error).__name__
            say(f"the engine '{engine}' cannot train this recipe ({reason}); using '{simpler}'")
            engine = simpler
    return Step(method, engine, train)


def _simpler(engine: Engine) -> Iterator[Engine]:
    """What to use when an engine fails, step by step; nothing is simpler than the plain one."""
    if engine.compiled:
        yield replace(engine, compiled=False)
    if engine.precision != "fp32":
        yield replace(engine, compiled=False, precision="fp32")
    yield plain(engine.device)


def gradients(step: Step, batch: Batch) -> Gradients:
    """The gradient of every parameter, by phase, on a batch. Nothing is updated. Dropout is off,
    since its noise follows the order of memory. Raises ImtransError when a term is no number."""
    batch, found, values = step.engine.laid_out(batch), {}, {}
    with preserving_state(step.method, step.device), _without_dropout(step.method):
        try:
            made = step.make(batch)
            for phase in step.phases:
                with step.only(phase):
                    total, values[phase.name] = step.loss(phase, batch, made)
                    step.optimizers[phase.name].forget_gradients()
                    total.backward()
                found[phase.name] = step.optimizers[phase.name].pop_gradients()
        except RuntimeError as error:
            if step.train.deterministic and "deterministic" in str(error):
                raise ImtransError(
                    f"train.deterministic = true, but {str(error).splitlines()[0]}. leave it out, "
                    "or choose another network"
                ) from error
            raise
        finally:
            for adam in step.optimizers.values():
                adam.forget_gradients()
    check_values(step.method, values)
    return found


def _compare(expected: Gradients, found: Gradients) -> None:
    """Raise ArithmeticError unless the gradients point the same way."""
    for phase, reference in expected.items():
        if reference.keys() != found[phase].keys():
            raise ArithmeticError(f"the phase '{phase}' trains other parameters than the reference")
        likeness = cosine(reference, found[phase])
        if not likeness > ALIKE:
            raise ArithmeticError(
                f"the gradient of the phase '{phase}' differs from the reference engine's "
                f"(cosine {likeness:.2f})"
            )


def cosine(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """Of the angle between two gradients, by parameter; 1 if both are zero."""

    def product(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
        return sum(float((left[k] * right[k]).sum(dtype=torch.float64)) for k in left)

    across, first, second = product(one, other), product(one, one), product(other, other)
    return across / math.sqrt(first * second) if first * second else float(first == second)


@contextmanager
def _without_dropout(network: nn.Module) -> Iterator[None]:
    layers = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.dropout._DropoutNd) and module.training
    ]
    _set_training(layers, False)
    try:
        yield
    finally:
        _set_training(layers, True)


def _set_training(layers: Iterable[nn.Module], training: bool) -> None:
    for layer in layers:
        layer.training = training
