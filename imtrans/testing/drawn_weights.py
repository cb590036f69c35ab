"""What components promise about the weights that they draw."""

from functools import partial

import torch
from torch import nn

from imtrans.contracts.calls import alike
from imtrans.contracts.weights import probe_weights
from imtrans.testing.case import Case


def weights_follow_the_seed(case: Case, *facts: int) -> None:
    """The same weights at the same seed, and others at another."""
    network = _built_twice(case, *facts)
    torch.manual_seed(2)
    if any(True for _ in network.parameters()) and alike(
        network.state_dict(), case.build(*facts).state_dict()
    ):
        raise case.broken(
            "at another seed it has the same weights",
            "the recipe's seed decides on the first weights",
            "draw them without a seed or a generator of their own",
        )


def its_weights_if_any_are_the_same_at_a_seed(case: Case) -> None:
    """Of a loss, which may hold a network: one that was trained has no seed."""
    _built_twice(case)


def _built_twice(case: Case, *facts: int) -> nn.Module:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    module: nn.Module = case.build(*facts)
    if isinstance(module, nn.Module):
        probe_weights(case.component, module.state_dict(), before, partial(case.build, *facts))
    return module
