"""Batches of training samples, in an order that can be taken up anywhere."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair
from imtrans.data.draws import Key, Order
from imtrans.data.samples import Sample, Sampler
from imtrans.data.workers import alive, leave_interrupts_to_the_parent


class Batches:
    """The batches of all epochs, as one endless walk from any position.

    Each is (source, target), uint8 (N, C, H, W), of the pairs that `order` has for this rank; the
    last of an epoch may be smaller. Workers read ahead across the border between epochs.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        sampler: Sampler,
        order: Order,
        *,
        workers: int,
        pin: bool,
    ) -> None:
        self._pairs, self._sampler, self.order = pairs, sampler, order
        self.workers, self._pin = workers, pin

    def start(self, epoch: int, step: int, skipped: int = 0) -> Iterator[Sample]:
        """Walk from the batch of step `step` (from 0) of epoch `epoch` (from 1) on; `skipped` pairs
        of that epoch were seen in steps of another size."""
        loader: DataLoader[Sample | ImtransError] = DataLoader(
            _Samples(self._pairs, self._sampler),
            batch_sampler=_Endless(self.order, epoch, step, skipped),
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


class _Endless:
    """An iterable of the keys of batches, picklable as it goes to a loader."""

    def __init__(self, order: Order, epoch: int, step: int, skipped: int) -> None:
        self.order, self.start = order, (epoch, step, skipped)

    def __iter__(self) -> Iterator[list[Key]]:
        return (own.keys for own in self.order.own(*self.start))


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
