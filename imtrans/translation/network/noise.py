"""Random numbers of a translation, from a seed and for this call alone.

torch's own dropout draws from one generator of the whole process: two threads would mix their
noise.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Noise(threading.local):
    """The generator of the call that runs in this thread, if one does."""

    generator: torch.Generator | None = None

    def __deepcopy__(self, _: object) -> "Noise":
        return self  # of a copied network too

    @contextmanager
    def seeded(self, seed: int, device: torch.device) -> Iterator[None]:
        """Draw from this seed within."""
        self.generator = torch.Generator(device).manual_seed(seed)
        try:
            yield
        finally:
            self.generator = None


class SeededDropout(nn.Module):
    """Dropout of elements, or of whole channels, that draws from `noise`; the same for each image
    of a batch, as each would have alone."""

    def __init__(self, rate: float, noise: Noise, *, channels: bool) -> None:
        super().__init__()
        self.rate, self.noise, self.channels = rate, noise, channels

    def forward(self, x: Tensor) -> Tensor:
        spatial = [1] * (x.dim() - 2) if self.channels else x.shape[2:]
        # Not like x: another memory format would draw in another order.
        kept = torch.empty((1, x.shape[1], *spatial), device=x.device)
        kept.bernoulli_(1 - self.rate, generator=self.noise.generator)
        return x * (kept / (1 - self.rate)).to(x.dtype)


def with_seeded_dropout(network: nn.Module, noise: Noise) -> bool:
    """Have all dropout of a network draw from `noise`, also when it is not training. Returns
    whether it has any."""
    found = False
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.modules.dropout._DropoutNd) and 0 < child.p < 1:
                dropout = SeededDropout(child.p, noise, channels=not isinstance(child, nn.Dropout))
                setattr(module, name, dropout)
                found = True
    return found


_draws_from_torch = threading.Lock()


@contextmanager
def seeded_torch(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from torch's own generators, by one thread at a time; they are put back."""
    devices = [device] if device.type == "cuda" else []
    with _draws_from_torch, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
