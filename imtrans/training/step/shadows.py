"""Weights in bf16, kept beside those that learn, so that no step casts them.

Autocast casts a weight at each use, and its gradient back to fp32. Here the layers of a step hold
bf16 copies as parameters of their own: their gradients arrive in bf16, and Adam, which reads them,
writes weight and copy at once. The numbers are autocast's own, as long as a layer is used once in
what a phase descends: the gradients of several uses would be summed in bf16 and not in fp32. So
what a phase trains and uses more often has no copy, and is cast as before.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from imtrans.api.method import Batch
from imtrans.api.passes import nested
from imtrans.training.step.preserving import preserving_state
from imtrans.training.step.shadow_adam import ShadowAdam

if TYPE_CHECKING:
    from imtrans.training.step.step import Step

# What autocast computes in bf16. A subclass may do anything else with its weight.
CAST = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class Shadowed:
    """A parameter of a layer, and its copy in bf16."""

    layer: nn.Module
    name: str
    weight: nn.Parameter
    shadow: nn.Parameter


class Shadows:
    """The bf16 copies of a method's weights."""

    def __init__(self, layers: list[nn.Module]) -> None:
        self._rows = [
            Shadowed(layer, name, weight, nn.Parameter(_copy(weight), weight.requires_grad))
            for layer in layers
            for name, weight in layer.named_parameters(recurse=False)
        ]
        self._of = {id(row.weight): row.shadow for row in self._rows}

    def of(self, weight: nn.Parameter) -> nn.Parameter | None:
        """The copy of a weight, if it has one."""
        return self._of.get(id(weight))

    def instead_of(self, weight: nn.Parameter) -> nn.Parameter:
        """What the layers compute with: the copy of a weight, or the weight."""
        return self._of.get(id(weight), weight)

    def refresh(self) -> None:
        """Copy the weights again, in place: they were loaded."""
        with torch.no_grad():
            for row in self._rows:
                row.shadow.copy_(row.weight)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have the layers compute with the copies for a while."""
        for row in self._rows:
            row.layer._parameters[row.name] = row.shadow
        try:
            yield
        finally:
            for row in self._rows:
                row.layer._parameters[row.name] = row.weight


def _copy(weight: Tensor) -> Tensor:
    return weight.detach().to(torch.bfloat16)  # keeps the order in memory


def shadows_of(step: "Step", batch: Batch) -> Shadows:
    """The copies that a step can compute with, known to its optimisers."""
    able = [adam for adam in step.optimizers.values() if isinstance(adam, ShadowAdam)]
    learning = {id(parameter) for adam in able for parameter in adam.parameters}
    shadows = Shadows(_shadowed_layers(step, batch, learning))
    for adam in able:
        adam.shadow({id(parameter): shadows.of(parameter) for parameter in adam.parameters})
    return shadows


def _shadowed_layers(step: "Step", batch: Batch, learning: set[int]) -> list[nn.Module]:
    """Layers that autocast casts, of weights that learn (their ids) and that no other layer has,
    used at most once in what their phase descends."""
    layers = [module for module in step.method.modules() if type(module) in CAST]
    owners = Counter(id(p) for m in step.method.modules() for p in m._parameters.values())
    used = _uses(step, batch, layers)
    return [
        layer
        for layer in layers
        if used[id(layer)] <= 1
        and all(owners[id(p)] == 1 and id(p) in learning for p in layer.parameters())
    ]


def _uses(step: "Step", batch: Batch, layers: list[nn.Module]) -> Counter[int]:
    """How often each layer is called in what its phase descends."""
    calls: Counter[int] = Counter()
    uses: Counter[int] = Counter()
    with ExitStack() as stack:
        stack.enter_context(preserving_state(step.method, step.device))
        stack.enter_context(step.engine.autocast())
        for layer in layers:
            handle = layer.register_forward_hook(lambda one, *_: calls.update([id(one)]))
            stack.callback(handle.remove)
        made = step.method(batch)  # itself, and not what is compiled of it: layers are counted
        before = calls.copy()
        for phase in step.phases:
            calls.clear()
            phase.loss(batch, nested(Tensor.detach, made) if phase.detached else made)
            trained = {id(module) for one in phase.trains for module in one.modules()}
            counted = calls if phase.detached else calls + before
            uses.update({key: count for key, count in counted.items() if key in trained})
    return uses
