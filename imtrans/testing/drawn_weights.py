"""What every network promises about its first weights."""

import torch

from imtrans.contracts.calls import alike
from imtrans.contracts.weights import probe_weights
from imtrans.testing.case import Case


def weights_follow_the_seed(case: Case, *facts: int) -> None:
    """The same weights at the same seed, and others at another."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    network = case.build(*facts)
    probe_weights(case.component, network, before, lambda: case.build(*facts))
    torch.manual_seed(2)
    if any(True for _ in network.parameters()) and alike(
        network.state_dict(), case.build(*facts).state_dict()
    ):
        raise case.broken(
            "at another seed it has the same weights",
            "the recipe's seed decides on the first weights",
            "draw them without a seed or a generator of their own",
        )
