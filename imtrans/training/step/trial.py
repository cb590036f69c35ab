"""Gradients before the first step, which leave no trace: what cannot be computed is found out."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.api.method import Batch, Method, Phase
from imtrans.host.randomness import random_state, set_random_state
from imtrans.recipe.schema import TrainTable
from imtrans.training.step.agreement import DRAWS, Agreement, Difference
from imtrans.training.step.contract import check_values
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.preserving import preserving_state, preserving_weights
from imtrans.training.step.rounding import Rounded
from imtrans.training.step.step import Step

Say = Callable[[str], None]
Gradients = dict[str, dict[str, Tensor]]  # phase/term -> parameter -> gradient
ENOUGH = 4  # images that show what an engine computes


class Disagreement(ArithmeticError):
    """An engine found another gradient than the reference engine."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(str(difference))
        self.difference = difference


def tried_step(method: Method, engine: Engine, train: TrainTable, batch: Batch, say: Say) -> Step:
    """The step of a method on the engine, or on the next simpler one that can compute it.

    An engine has to find the gradient of the reference engine on this batch, as nearly as rounding
    explains: a plugin's network may not support another memory format or precision, torch may
    compute something wrong there without a warning, and a machine may lack the compiler. One note
    says so then. Raises ImtransError when the method breaks its contract; what the reference engine
    cannot compute either, fails in it.
    """
    if not engine.fast:
        step = Step(method, engine, train)
        gradients(step, batch)
        return step
    if not engine.compiled:  # which would be compiled for another size
        batch = Batch(*(side[:ENOUGH] for side in batch))
    agreement = _measured(method, engine, train, batch)
    wanted, failure = engine, None
    found: Step | None = None
    for simpler in _simpler(wanted):
        try:
            found = _agreeing_step(method, engine, train, batch, agreement)
            break
        except Exception as error:
            if is_out_of_memory(error):
                raise
            engine, failure = simpler, error
    if failure:
        say(_note(wanted, engine, failure))
    return found or Step(method, engine, train)


def _note(wanted: Engine, chosen: Engine, failure: Exception) -> str:
    """What is used instead of the engine that was asked for, and why: nobody has to act."""
    if not chosen.fast:
        failing, instead = "the fast engine", "training with the plain engine"
    elif chosen.precision != wanted.precision:
        failing, instead = wanted.precision, f"training in {chosen.precision}"
    elif chosen.compiled == wanted.compiled:
        failing, instead = "the fastest form of the step", "training without it"
    else:
        failing, instead = "torch.compile", "training without it"
    if not isinstance(failure, Disagreement):
        reason = next(iter(str(failure).splitlines()), "") or type(failure).__name__
        return f"note: {failing} fails on this network ({reason}); {instead}. Nothing to do."
    found = failure.difference
    if failing == "bf16":
        why = f"bf16 is too inexact for this network ({found.short})"
    else:  # no rounding, but a fault: its author will want to know where
        where = f" in {found.where}" if found.cosine is not None else ""
        why = f"{failing} computes other gradients of this network ({found.short}{where})"
    return f"note: {why}; {instead}. Nothing to do."


def _simpler(engine: Engine) -> Iterator[Engine]:
    """What to use when an engine fails, step by step; nothing is simpler than the plain one."""
    if engine != (found := engine.simpler()):
        yield found
    if engine.compiled:
        yield replace(found, compiled="")
    if engine.precision != "fp32":
        yield replace(found, compiled="", precision="fp32")
    yield plain(engine.device)


def _measured(method: Method, engine: Engine, train: TrainTable, batch: Batch) -> Agreement:
    """The reference gradients, and how far rounding moves them, as far as that has to be known."""
    no_average = train.model_copy(update={"ema": None})
    exact = gradients(Step(method, plain(engine.device), no_average), batch)
    agreement = Agreement(exact, _roundings(method, engine.device, no_average, batch))
    while engine.compiled and agreement.learn():
        pass  # now: it would undo what is compiled
    return agreement


def _roundings(
    method: Method, device: torch.device, train: TrainTable, batch: Batch
) -> Iterator[Gradients]:
    """Lays the networks out for the reference engine."""
    engine = replace(plain(device), precision="bf16")
    for draw in DRAWS:
        step = Step(method, engine, train)
        with Rounded(draw):
            found = gradients(step, batch)
        yield found


def _agreeing_step(
    method: Method, engine: Engine, train: TrainTable, batch: Batch, agreement: Agreement
) -> Step:
    """The step on this engine. Raises Disagreement, or whatever the engine fails with."""
    if engine.precision == "bf16":
        # Without much rounding first: a wrong gradient is plain to see there.
        exact = replace(engine, precision="fp32", compiled="", shadowed=False)
        _compare(gradients(Step(method, exact, train), batch), exact, agreement)
    step = Step(method, engine, train)
    _compare(gradients(step, batch), engine, agreement)
    if engine.shadowed:  # whose Adam is compiled, which not every machine can
        with preserving_state(method, engine.device), preserving_weights(step):
            step(batch)
    # Roundings that were asked for have laid the networks out otherwise.
    return step if engine.compiled else Step(method, engine, train)


def _compare(found: Gradients, engine: Engine, agreement: Agreement) -> None:
    if difference := agreement.disagreement(found, engine.precision):
        raise Disagreement(difference)


def gradients(step: Step, batch: Batch) -> Gradients:
    """The gradient of every parameter on a batch, by phase and term: beside 100 * L1 a fault in the
    adversarial part would be smaller than rounding. Nothing is updated. Dropout is off, since its
    noise follows the order of memory. Raises ImtransError when a term is no number."""
    batch, found, values = step.engine.laid_out(batch), dict[str, dict[str, Tensor]](), {}
    with (
        preserving_state(step.method, step.device),
        _without_dropout(step.method),
        step.computing(batch),
    ):
        try:
            drawing = random_state(step.device)
            made = step.make(batch)
            for phase in step.phases:
                rows, values[phase.name] = _of_each_term(step, phase, batch, made, drawing)
                found |= {f"{phase.name}/{term}": row for term, row in rows.items()}
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


def _of_each_term(
    step: Step, phase: Phase, batch: Batch, made: Any, drawing: dict[str, Tensor]
) -> tuple[dict[str, dict[str, Tensor]], dict[str, Tensor]]:
    """The gradient of each term of a phase, and the values of all. `drawing` is the random state
    in which `made` was made: what is computed again draws the same."""
    before = random_state(step.device)
    adam, compiled, found = step.optimizers[phase.name], step.engine.compiled, {}
    with step.only(phase):
        terms = step.terms(phase, batch, made)
        values = {term.name: term.value.detach() for term in terms}
        names = [term.name for term in terms if term.weight and term.value.requires_grad]
        for name in names:
            if compiled and name != names[0]:  # its graph is gone after one backward pass
                set_random_state(drawing, step.device)
                made = step.make(batch)
                set_random_state(before, step.device)
                terms = step.terms(phase, batch, made)
            value = next(term.value for term in terms if term.name == name)
            adam.forget_gradients()
            value.backward(retain_graph=not compiled and name != names[-1])
            found[name] = adam.pop_gradients()
    return found, values


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
