"""Weights in the precision in which they are used.

Autocast turns the weights of every layer into bf16 at every call: of unet_256 those are 218 MB, and
a fifth of the time of an image. Here it is done once, to the same bits.
"""

import torch
from torch import nn

from imtrans.host.devices import Precision

# What autocast computes in bf16, and in no other way: a subclass may do something else with them.
LOWERED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


def lower(network: nn.Module, precision: Precision) -> None:
    """Turn the weights that autocast would turn into bf16 at every call into bf16, once."""
    if precision != "bf16":
        return
    for module in network.modules():
        if type(module) in LOWERED and not _has_other_uses(module):
            module.to(torch.bfloat16)


def _has_other_uses(module: nn.Module) -> bool:
    """Whether its weights are computed from others, as with spectral norm, or a hook sees them."""
    return bool(
        getattr(module, "parametrizations", None)
        or module._forward_pre_hooks
        or module._forward_hooks
    )
