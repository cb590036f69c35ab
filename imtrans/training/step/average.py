"""A moving average of the weights, which translates more evenly than any single step's.

Exponential, after Polyak and Juditsky 1992; as in Karras et al., "Progressive Growing of GANs",
ICLR 2018, section 4.
"""

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn

from imtrans.api.method import Method


class Averages:
    """average = decay * average + (1 - decay) * weights, of each translator of a method, after
    every step; the first is a copy. Running statistics are those of the translator."""

    def __init__(self, method: Method, decay: float) -> None:
        self.decay = decay
        self._learning = dict(method.translators())
        self.modules: dict[str, nn.Module] = {
            name: deepcopy(module).requires_grad_(False) for name, module in self._learning.items()
        }
        #: How many steps are in each, scalars on the CPU: nothing has to wait for the device.
        self.updates = {name: torch.tensor(0) for name in self._learning}

    @property
    def begun(self) -> bool:
        """Whether each has a step in it."""
        return all(bool(count) for count in self.updates.values())

    @torch.no_grad()
    def follow(self) -> None:
        """A step is done: work for the device alone, which a graph can hold once all have begun."""
        for name, module in self.modules.items():
            learning = self._learning[name]
            weights: list[Tensor] = list(learning.parameters())
            averaged: list[Tensor] = list(module.parameters())
            if self.updates[name]:
                torch._foreach_lerp_(averaged, weights, 1 - self.decay)
            else:
                torch._foreach_copy_(averaged, weights)
            if buffers := list(module.buffers()):
                torch._foreach_copy_(buffers, list(learning.buffers()))

    def count(self, steps: int = 1) -> None:
        """So many steps more are in each."""
        for updates in self.updates.values():
            updates += steps

    def tensors(self) -> Iterator[Tensor]:
        """What `follow` changes."""
        for module in self.modules.values():
            yield from module.parameters()
            yield from module.buffers()
