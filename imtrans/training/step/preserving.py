"""Put back, in place, what computing changes: for trials and recordings that leave no trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from imtrans.api.method import Method
from imtrans.host.randomness import random_state, set_random_state
from imtrans.runs.rank_state import own_buffers

if TYPE_CHECKING:
    from imtrans.training.step.step import Step


@contextmanager
def preserving_state(method: nn.Module, device: torch.device) -> Iterator[None]:
    """Put back what a step changes beside the weights: buffers (running statistics, image pools)
    and the random state. Also after an error."""
    buffers = list(method.buffers())
    before, random = [buffer.clone() for buffer in buffers], random_state(device)
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, old in zip(buffers, before, strict=True):
                buffer.copy_(old)
        set_random_state(random, device)


@contextmanager
def preserving_own(method: Method) -> Iterator[None]:
    """Put back a method's buffers outside its networks, as image pools are."""
    buffers = list(own_buffers(method).values())
    before = [buffer.clone() for buffer in buffers]
    yield
    with torch.no_grad():
        for buffer, old in zip(buffers, before, strict=True):
            buffer.copy_(old)


@contextmanager
def preserving_weights(step: "Step") -> Iterator[None]:
    """Put weights, averages and moments back, in place. Also after an error."""
    weights = [*step.method.parameters(), *(step.averages.tensors() if step.averages else ())]
    before = [parameter.detach().clone() for parameter in weights]
    moments = {key: value.clone() for key, value in step.optimizer_state().items()}
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, old in zip(weights, before, strict=True):
                parameter.copy_(old)
        step.load_optimizer_state(moments)
