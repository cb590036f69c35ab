"""Samples that are needed again and again: read once, and gone through by size."""

from collections.abc import Callable, Iterable, Iterator

import torch

from imtrans.data.reading import Sample
from imtrans.host.devices import free_memory
from imtrans.translation.grouping import grouped

SHARE = 0.1  # of the device's free memory that samples may take
UNKNOWN = 2**28  # bytes that they may take where nobody knows what is free


class KeptSamples:
    """Samples on a device, in their order. They are read when they are first gone through, and kept
    there as long as they take no more than their share of what was free then; others are read each
    time."""

    def __init__(self, read: Callable[[int], Sample], count: int, device: torch.device) -> None:
        self._read, self._count, self._device = read, count, device
        self._kept: dict[int, Sample] = {}
        self._room: int | None = None  # bytes

    def __iter__(self) -> Iterator[Sample]:
        for index in range(self._count):
            yield self._kept.get(index) or self._keep(index)

    def _keep(self, index: int) -> Sample:
        if self._room is None:
            free = free_memory(self._device)
            self._room = UNKNOWN if free is None else int(SHARE * free)
        # Copied: a part of a larger picture would keep all of it in memory.
        source, target = (side.to(self._device, copy=True) for side in self._read(index))
        if source.nbytes + target.nbytes <= self._room:
            self._room -= source.nbytes + target.nbytes
            self._kept[index] = source, target
        return source, target


def by_size(
    samples: Iterable[Sample], most: Callable[[torch.Size, torch.Size], int]
) -> Iterator[list[Sample]]:
    """Samples of equal sizes together, up to `most` of these sizes of source and target."""
    return grouped(
        samples,
        lambda sample: (sample[0].shape, sample[1].shape),
        lambda sizes: most(*sizes),
        lambda sample: sum(side.shape[-2] * side.shape[-1] for side in sample),
    )
