"""One network, shown several things in a row: one after the other, or as parts of one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from imtrans.api.layers import BatchNorm2d


def passes(network: nn.Module, *inputs: tuple[Tensor, ...]) -> list[Any]:
    """What a network makes of each of several inputs, all of one shape, in their order.

    Each pass is one by itself: batch norm normalises it by its own statistics, and counts it into
    its running ones. An engine may compute them as parts of one batch, which is faster on a GPU, by
    setting `network.passes_together`; it does so only where every batch norm is one of
    `imtrans.api.layers`, which keep the parts apart.
    """
    if not (getattr(network, "passes_together", False) and _keeps_parts_apart(network)):
        return [network(*each) for each in inputs]
    count = len(inputs)
    with _in_parts(network, count):
        output = network(*(torch.cat(sides) for sides in zip(*inputs, strict=True)))

    def part(number: int) -> Any:
        return nested(lambda tensor: tensor.chunk(count)[number], output)

    return [part(number) for number in range(count)]


def _keeps_parts_apart(network: nn.Module) -> bool:
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return all(isinstance(norm, BatchNorm2d) for norm in norms)


@contextmanager
def _in_parts(network: nn.Module, parts: int) -> Iterator[None]:
    norms = [module for module in network.modules() if isinstance(module, BatchNorm2d)]
    for norm in norms:
        norm.parts = parts
    try:
        yield
    finally:
        for norm in norms:
            norm.parts = 1


def nested(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """The function over all tensors in tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: nested(function, inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        inner = [nested(function, item) for item in value]
        return type(value)(*inner) if hasattr(value, "_fields") else type(value)(inner)
    return value
