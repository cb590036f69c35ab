"""Where the batches of a training come from: read by the host, or made by the device itself."""

from collections.abc import Callable, Iterator
from typing import Protocol

import torch

from imtrans.api.method import Batch
from imtrans.data.draws import Order
from imtrans.data.encoding import Encoding
from imtrans.data.loader import Batches
from imtrans.data.reading import Sample
from imtrans.data.resident import Resident, fits
from imtrans.data.samples import Sampler
from imtrans.data.workers import worker_count
from imtrans.host.group import Group
from imtrans.task import Task
from imtrans.training.step.engine import Engine
from imtrans.training.step.stepper import Feed


class Feeding(Feed, Protocol):
    """The batches of all epochs, from any position on."""

    order: Order

    def start(self, epoch: int, step: int, skipped: int = 0) -> None:
        """Continue with the batch of step `step` (from 0) of epoch `epoch` (from 1); `skipped`
        pairs of that epoch were seen in steps of another size."""
        ...

    def fetch(self) -> None:
        """Wait until the host has the next batch. Raises ImtransError when a picture cannot be
        read."""
        ...

    def stop(self) -> None:
        """End the processes that read ahead."""
        ...


def feed_of(
    task: Task, sampler: Sampler, engine: Engine, group: Group, say: Callable[[str], None]
) -> Feeding:
    """What feeds the device of a rank: its own memory where the pairs fit on all of them, else
    processes, or none."""
    device, rank = engine.device, group.rank
    order = task.order(rank)
    if all(group.gather(fits(sampler, device))):
        say("the whole data set is kept in GPU memory")
        pairs = Resident(sampler, order, device)
        return ResidentFeed(pairs, task.encoding, in_graph=engine.resident)
    wanted, quick = task.recipe.data.workers, sampler.quick
    workers = worker_count(wanted, device, quick=quick, sharing=rank.local_of)
    batches = Batches(task.pairs, sampler, order, workers=workers, pin=device.type == "cuda")
    return HostFeed(batches, task.encoding, device)


class HostFeed:
    """Batches that the host reads, and the device encodes."""

    resident, whole = False, 0

    def __init__(self, batches: Batches, encoding: Encoding, device: torch.device) -> None:
        self.batches, self.encoding, self.device = batches, encoding, device
        self.order, self.batch_size = batches.order, batches.order.batch_size
        self.weight = 1.0
        self._walk: Iterator[Sample] = iter(())
        self._weights: Iterator[float] = iter(())
        self._fetched: Sample | None = None

    def start(self, epoch: int, step: int, skipped: int = 0) -> None:
        self._walk, self._fetched = self.batches.start(epoch, step, skipped), None
        self._weights = self.order.weights(step, skipped)

    def fetch(self) -> None:
        self._fetched, self.weight = next(self._walk), next(self._weights)

    def stop(self) -> None:
        # Their loader ends with the walk that it belongs to.
        self._walk, self._fetched = iter(()), None

    def next(self) -> Batch:
        """What was fetched, encoded on the device."""
        assert self._fetched is not None
        source, target = (side.to(self.device, non_blocking=True) for side in self._fetched)
        return Batch(*self.encoding.encode(source, target))

    def cut(self) -> Batch:
        raise NotImplementedError("the host has to read it")

    def passed(self, batches: int) -> None: ...

    def rewind(self) -> None: ...


class ResidentFeed:
    """Batches that the device cuts out of the pairs in its memory; `in_graph`, as a part of the
    step."""

    def __init__(self, pairs: Resident, encoding: Encoding, *, in_graph: bool = True) -> None:
        self.pairs, self.encoding, self.resident = pairs, encoding, in_graph
        self.order, self.batch_size = pairs.order, pairs.batch_size

    def start(self, epoch: int, step: int, skipped: int = 0) -> None:
        self.pairs.begin(epoch, step, skipped)

    def fetch(self) -> None:
        """Nothing to wait for."""

    def stop(self) -> None: ...

    def next(self) -> Batch:
        return Batch(*self.encoding.encode(*self.pairs.next()))

    @property
    def weight(self) -> float:
        return self.pairs.weight

    @property
    def whole(self) -> int:
        return self.pairs.whole

    def cut(self) -> Batch:
        return Batch(*self.encoding.encode(*self.pairs.cut()))

    def passed(self, batches: int) -> None:
        self.pairs.passed(batches)

    def rewind(self) -> None:
        self.pairs.rewind()
