"""Processes that read ahead: how they are started, and what their end means."""

import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from imtrans.api.errors import ImtransError
from imtrans.host.machine import cores

T = TypeVar("T")
CHUNK = 8  # results that travel together: each journey between processes costs as much as one


def worker_count(
    requested: int | None, device: torch.device, *, quick: bool = False, sharing: int = 1
) -> int:
    """As many as requested; else enough to feed a GPU, and on a CPU one, because the network needs
    the cores, which `sharing` trainings share. None where samples are `quick`: the way between
    processes would take longer."""
    if requested is not None:
        return requested
    if quick:
        return 0
    others = cores() // sharing - 1
    return min(1, others) if device.type == "cpu" else min(8, max(1, others))


def in_parallel(function: Callable[[int], T], count: int, workers: int) -> Iterator[T]:
    """function(0), function(1), ... in order, computed by `workers` processes that work ahead.

    With no workers it is computed here. `function` and its results must be picklable; tensors
    travel in shared memory.
    """
    calls: Dataset[Any] = _Calls(function, count)
    loader: DataLoader[list[T]] = DataLoader(
        calls,
        batch_size=CHUNK,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=leave_interrupts_to_the_parent,
        generator=torch.Generator().manual_seed(0),  # never the global state
    )
    for results in alive(loader):
        yield from results


class _Calls(Dataset[T]):
    def __init__(self, function: Callable[[int], T], count: int) -> None:
        self.function, self.count = function, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> T:
        return self.function(index)


def alive(loader: Iterable[T]) -> Iterator[T]:
    """The loader's batches; a worker that was killed is reported as such."""
    try:
        yield from loader
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise ImtransError(
            "a data-loading worker was killed, usually because memory ran out. the same command "
            "continues; fewer data.workers need less"
        ) from error


def leave_interrupts_to_the_parent(worker: int) -> None:
    # Ctrl-C reaches every process of a terminal, and schedulers end whole process groups; a worker
    # that dies of it looks like a crash. The parent finishes its step and then ends its workers.
    for number in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, number):
            signal.signal(getattr(signal, number), signal.SIG_IGN)
