"""Whether what a builder draws comes from torch's generator, which the recipe seeds."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from imtrans.contracts.broken import BrokenContract
from imtrans.contracts.calls import alike
from imtrans.contracts.randomness import seeded


def probe_weights(
    subject: object, module: nn.Module, before: Tensor, build: Callable[[], Any]
) -> None:
    """Raise BrokenContract unless building it again, with torch's generator in the state from
    `before`, gives the same weights."""
    with seeded(0) as drawn:
        torch.set_rng_state(before)
        again = build().state_dict()
    for name, weight in module.state_dict().items():
        if name in again and alike(weight.cpu(), again[name].cpu()):
            continue
        sources = [source for source in drawn.sources if not source.startswith("torch")]
        raise BrokenContract(
            subject,
            f"built twice at the same seed, '{name}' has other weights; the builder draws from "
            f"{' and '.join(sources) or 'a source that no seed reaches, as `os.urandom`'}",
            "weights are drawn from torch's generator, which the recipe seeds, when the builder "
            "runs",
            "draw them with `torch.randn` or `nn.init`, without a generator of their own",
        )
