"""Whether what a builder draws comes from torch's generator, which the recipe seeds."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.calls import alike
from imtrans.contracts.randomness import Drawn, seeded


def probe_weights(
    subject: object, state: Mapping[str, Tensor], before: Tensor, build: Callable[[], Any]
) -> None:
    """Raise BrokenContract unless building it again, with torch's generator in the state from
    `before`, gives this state of a module."""
    with seeded(0) as drawn:
        torch.set_rng_state(before)
        again = build()
    check_same(subject, state, again.state_dict(), drawn)


def check_same(
    subject: object,
    one: Mapping[str, Tensor],
    other: Mapping[str, Tensor],
    drawn: Drawn | None = None,
) -> None:
    """Raise BrokenContract unless two states, built at the same seed, have equal weights."""
    for name, weight in one.items():
        if name in other and alike(weight.cpu(), other[name].cpu()):
            continue
        sources = Drawn([s for s in (drawn or Drawn()).sources if not s.startswith("torch")])
        raise BrokenContract(
            subject,
            f"built twice at the same seed, '{name}' has other weights; the builder draws from "
            f"{sources}",
            "weights are drawn from torch's generator, which the recipe seeds, when the builder "
            "runs",
            "draw them with `torch.randn` or `nn.init`, without a generator of their own",
        )
