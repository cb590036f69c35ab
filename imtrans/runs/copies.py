"""The state of a training as it is at one moment, while the training goes on."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from imtrans.host.devices import free_memory

State = Mapping[str, Tensor]


def copied(parts: Mapping[str, State], device: torch.device) -> Mapping[str, Callable[[], State]]:
    """The parts of a checkpoint as functions that return them on the CPU: copies, made at once.

    On a GPU the copies stay there, where they take a millisecond, and come to the host when they
    are asked for, on a stream of their own; where memory is short, they come to the host at once.
    """
    tensors = [tensor for state in parts.values() for tensor in state.values()]
    needed = sum(tensor.nbytes for tensor in tensors)
    free = free_memory(device) if device.type == "cuda" else None
    there = free is not None and free > 2 * needed
    copies = {name: _copies(state, there=there) for name, state in parts.items()}
    fetching = _Fetching(device) if there else _as_they_are
    return {name: lambda state=state: fetching(state) for name, state in copies.items()}  # type: ignore[misc]


def _copies(state: State, *, there: bool) -> dict[str, Tensor]:
    """Copies in the usual order of memory, as files have them."""

    def copy(tensor: Tensor) -> Tensor:
        moved = tensor.detach() if there else tensor.detach().cpu()
        if moved.data_ptr() == tensor.data_ptr():
            return moved.clone(memory_format=torch.contiguous_format)
        return moved.contiguous()

    return {name: copy(tensor) for name, tensor in state.items()}


def _as_they_are(state: State) -> State:
    return state


class _Fetching:
    """Brings copies to the host beside what the GPU is doing."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._made = torch.cuda.Event()
        self._made.record(torch.cuda.current_stream(device))

    def __call__(self, state: State) -> State:
        stream = torch.cuda.Stream(self._device)
        stream.wait_event(self._made)
        with torch.cuda.stream(stream):
            return {name: tensor.cpu() for name, tensor in state.items()}
