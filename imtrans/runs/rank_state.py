"""What each rank of a training has for itself: what it draws next, and its image pools.

All else is the same on every rank. Rank 0 writes it; of the others, what they have for themselves
is in the same file, `rank_1/...` and so on.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from imtrans.api.method import Method
from imtrans.host.randomness import random_state, set_random_state

STATE = "state/"  # buffers of the method outside its networks
RANDOM = "random/"
RankState = dict[str, Tensor]


def rank_state(method: Method, device: torch.device) -> RankState:
    """What this rank has for itself, not copied."""
    buffers = {STATE + name: buffer for name, buffer in own_buffers(method).items()}
    return buffers | {RANDOM + name: value for name, value in random_state(device).items()}


def on_the_cpu(state: RankState) -> RankState:
    return {name: value.cpu() for name, value in state.items()}


def own_buffers(method: Method) -> dict[str, Tensor]:
    """A method's buffers outside its networks."""
    inside = tuple(f"{name}." for name in method.networks())
    return {name: b for name, b in method.named_buffers() if not name.startswith(inside)}


def load_rank_state(method: Method, device: torch.device, state: Mapping[str, Tensor]) -> None:
    """Go on with what a rank had. Raises KeyError for what is missing, ValueError for another
    shape."""
    saved = below(state, STATE)
    for name, buffer in own_buffers(method).items():
        if saved[name].shape != buffer.shape:
            raise ValueError(f"'{name}' has another shape")
        buffer.copy_(saved[name])
    set_random_state(below(state, RANDOM), device)


def of_the_others(states: Sequence[Mapping[str, Tensor]]) -> RankState:
    """The states of ranks 1, 2, ... as tensors of one file."""
    return {
        f"rank_{rank}/{name}": value
        for rank, state in enumerate(states, 1)
        for name, value in state.items()
    }


def others_in(state: Mapping[str, Tensor], ranks: int) -> list[RankState]:
    """The states of ranks 1, 2, ... that a file holds."""
    return [below(state, f"rank_{rank}/") for rank in range(1, ranks)]


def below(state: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
