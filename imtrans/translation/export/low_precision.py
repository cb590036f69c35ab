"""The layers of a network in low precision, and all between them in float32: what autocast does.

A network that evaluates another one several times computes in between with times and deviations, of
which low precision would leave little.
"""

from typing import Any

import torch
from torch import Tensor, nn

from imtrans.translation.network.lowering import LOWERED


def lower_layers(network: nn.Module, dtype: torch.dtype) -> None:
    """Turn the weights of convolutions and linear layers into another precision, in which they take
    whatever they are given."""
    for layer in network.modules():
        if type(layer) in LOWERED:
            layer.to(dtype).register_forward_pre_hook(_in_its_precision)


def _in_its_precision(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return (given[0].to(weight.dtype), *given[1:])
