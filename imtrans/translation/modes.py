"""The modes in which a network translates: what its norms use, and whether dropout is on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from torch import nn

Statistics = Literal["image", "running"]


def set_modes(network: nn.Module, statistics: Statistics) -> None:
    """Put a network into the modes in which it translates; dropout is off.

    With `image` batch norm normalises each batch by its own statistics, without gathering them.
    """
    network.eval()
    if statistics == "running":
        return
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.training = True
            module.track_running_stats = False


@contextmanager
def translating(*networks: nn.Module, statistics: Statistics = "image") -> Iterator[None]:
    """Have networks that are in training translate for a while."""
    modules = [module for network in networks for module in network.modules()]
    before = [module.training for module in modules]
    for network in networks:
        set_modes(network, statistics)
    try:
        yield
    finally:
        for module, training in zip(modules, before, strict=True):
            module.training = training
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.track_running_stats = module.running_mean is not None
