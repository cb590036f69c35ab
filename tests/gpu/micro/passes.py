"""m7, m8: whole passes of the networks, joined or beside each other."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from pairs import recipe_of
from timing import timer_of
from torch import Tensor, nn
from work import Work

from imtrans.api.method import Batch
from imtrans.host.devices import autocast
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from micro.updates import _fused

Rows = list[dict[str, Any]]
Call = Callable[[], object]


def halves(work: Work) -> Rows:
    """The discriminator's forward and backward pass over fake and real: two passes, or one over
    both, in which batch norm sees each half by itself."""
    networks, batch = _networks(work)
    two = networks["discriminator"]
    one = _halved(deepcopy(two))
    source, both = batch.source.repeat(2, 1, 1, 1), torch.cat([batch.target, batch.source])
    ways: dict[str, Call] = {
        "two passes": lambda: [
            _gradients(work, two, batch.source, side) for side in (batch.source, batch.target)
        ],
        "halves of one batch": lambda: _gradients(work, one, source, both),
    }
    timer = timer_of(work, repeats=5)
    return [{"way": name, "us": timer.spread(call)} for name, call in ways.items()]


def overlap(work: Work) -> Rows:
    """Two things that do not depend on each other, alone and on two streams: us."""
    networks, batch = _networks(work)
    generator, discriminator = networks["generator"], networks["discriminator"]
    learning = partial(_gradients, work, generator, batch.source)
    update = _fused([parameter.detach() for parameter in generator.parameters()])
    real = partial(_gradients, work, discriminator, *batch)
    forward = partial(_output, work, generator, batch.source)
    return [
        _beside(work, "Adam of the generator beside its passes", learning, update),
        _beside(work, "discriminator on real beside the generator's forward", forward, real),
    ]


def _beside(work: Work, name: str, one: Call, other: Call) -> dict[str, Any]:
    timer = timer_of(work, repeats=5)
    alone, second, both = (timer.spread(c) for c in (one, other, _both(work, one, other)))
    most = min(alone.median, second.median)
    gained = (alone.median + second.median - both.median) / most
    return {"what": name, "first": alone, "second": second, "both": both, "overlap": gained}


def _both(work: Work, one: Call, other: Call) -> Call:
    """Both, on two streams where there are any; joined at the end."""
    if work.device.type != "cuda":
        return lambda: (one(), other())
    side = torch.cuda.Stream(work.device)

    def call() -> object:
        here = torch.cuda.current_stream(work.device)
        side.wait_stream(here)
        with torch.cuda.stream(side):
            kept = other()
        done = one()
        here.wait_stream(side)
        return kept, done

    return call


def _networks(work: Work) -> tuple[dict[str, nn.Module], Batch]:
    """The recipe's networks and a batch of noise, in the fast engine's memory format."""
    task = Task(recipe_of(work), catalog())
    networks = task.method(work.device).train().networks()
    for network in networks.values():
        network.to(memory_format=torch.channels_last)
    sides = task.noise(work.device, 1)
    return networks, Batch(*(side.to(memory_format=torch.channels_last) for side in sides))


def _output(work: Work, network: nn.Module, *inputs: Tensor) -> Tensor:
    with autocast(work.device, "fp32" if work.smoke else "bf16", cached=False):
        output: Tensor = network(*inputs)
    return output


def _gradients(work: Work, network: nn.Module, *inputs: Tensor) -> object:
    """The gradient of all parameters after a forward pass."""
    loss = _output(work, network, *inputs).float().mean()
    return torch.autograd.grad(loss, list(network.parameters()))


class _Halves(nn.Module):
    """A norm over each half of a batch."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, values: Tensor) -> Tensor:
        return torch.cat([self.norm(half) for half in values.chunk(2)])


def _halved(network: nn.Module) -> nn.Module:
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, _Halves(child))
    return network
