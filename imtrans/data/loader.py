"""Batches of training samples, in an order that can be taken up anywhere."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair
from imtrans.data.draws import batch_keys
from imtrans.data.samples import Sample, Sampler
from imtrans.data.workers import alive, leave_interrupts_to_the_parent

Key = tuple[int, int]  # epoch, index


class Batches:
    """The batches of all epochs, as one endless walk from any position.

    Each is (source, target), uint8 (N, C, H, W). `per_epoch` batches make an epoch, and its last
    may be smaller. Workers read ahead across the border between epochs.
    """

    def __init__(
        self, pairs: Sequence[Pair], sampler: Sampler, batch_size: int, *, workers: int, pin: bool
    ) -> None:
        self.per_epoch = -(-len(pairs) // batch_size)
        self._pairs, self._sampler, self.batch_size = pairs, sampler, batch_size
        self.workers, self._pin = workers, pin

    def start(self, epoch: int, batch: int) -> Iterator[Sample]:
        """Walk from batch `batch` (from 0) of epoch `epoch` (from 1) on."""
        loader: DataLoader[Sample | ImtransError] = DataLoader(
            _Samples(self._pairs, self._sampler),
            batch_sampler=self._keys(epoch, batch),
            num_workers=self.workers,
            collate_fn=_collate,
            pin_memory=self._pin,
            worker_init_fn=leave_interrupts_to_the_parent,
            # Seeds of workers come from here, so that reading data never moves the global state.
            generator=torch.Generator().manual_seed(0),
        )
        for batch_or_error in alive(loader):
            if isinstance(batch_or_error, ImtransError):
                raise batch_or_error
            yield batch_or_error

    def _keys(self, epoch: int, batch: int) -> "_Endless":
        return _Endless(len(self._pairs), self.batch_size, self._sampler.seed, epoch, batch)


class _Endless:
    """An iterable of the keys of batches, picklable as it goes to a loader."""

    def __init__(self, count: int, batch_size: int, seed: int, epoch: int, batch: int) -> None:
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.epoch, self.batch = epoch, batch

    def __iter__(self) -> Iterator[list[Key]]:
        return batch_keys(self.seed, self.count, self.batch_size, self.epoch, self.batch)


class _Samples(Dataset[Sample | ImtransError]):
    def __init__(self, pairs: Sequence[Pair], sampler: Sampler) -> None:
        self.pairs, self.sampler = pairs, sampler

    def __getitem__(self, key: Key) -> Sample | ImtransError:
        epoch, index = key
        try:
            return self.sampler.training(self.pairs, epoch, index)
        except ImtransError as error:
            # Raised in a worker it would reach the user wrapped in the worker's traceback.
            return error


def stack(samples: list[Sample]) -> Sample:
    """Samples as one batch."""
    sources, targets = zip(*samples, strict=True)
    return torch.stack(sources), torch.stack(targets)


def _collate(samples: list[Sample | ImtransError]) -> Sample | ImtransError:
    whole: list[Sample] = []
    for sample in samples:
        if isinstance(sample, ImtransError):
            return sample
        whole.append(sample)
    return stack(whole)
