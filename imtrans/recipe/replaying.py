"""Building a method again without building its networks again."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from imtrans.recipe.building import Network, RecipeParts


class ReplayedParts:
    """What other parts gave, in the same order: copies of their networks, and torch's generator
    as it was after each."""

    def __init__(self, parts: RecipeParts) -> None:
        self._parts = parts
        self._networks: Iterator[Network] = iter(parts.networks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parts, name)

    def generator(self, source: int | None = None, target: int | None = None) -> nn.Module:
        return self._next()

    def discriminator(self, source: int | None = None, target: int | None = None) -> nn.Module:
        return self._next()

    def adversarial(self) -> Any:
        return self._parts.given["adversarial"]

    def losses(self) -> Any:
        return self._parts.given["losses"]

    def _next(self) -> nn.Module:
        network = next(self._networks)
        torch.set_rng_state(network.after)
        return deepcopy(network.module)


def own_state(method: nn.Module, parts: RecipeParts) -> dict[str, Tensor]:
    """The state of a method that is not that of the networks that it was given."""
    given = {
        id(tensor)
        for network in parts.networks
        for tensor in network.module.state_dict(keep_vars=True).values()
    }
    state = method.state_dict(keep_vars=True).items()
    return {name: tensor.detach() for name, tensor in state if id(tensor) not in given}
