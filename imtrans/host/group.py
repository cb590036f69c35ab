"""The processes that train one thing together, and what passes between them.

torchrun starts them; torch.distributed connects them: gloo for what is on the CPU, NCCL for what is
on GPUs. A process that is alone has a group too, in which nothing has to pass.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.host.ranks import Rank, Told, this_rank
from imtrans.host.store import common_store
from imtrans.host.watch import Lost, RankWatch, Watching

T = TypeVar("T")
# The watch knows sooner, and more, than what waits in torch.
FOREVER = timedelta(days=30)
PATIENCE = 600.0  # seconds without progress, after which a rank counts as hung


class Group:
    """A process by itself, and what groups have in common. All ranks call the same methods in the
    same order; each returns, or changes in place, the same on all of them."""

    def __init__(self, rank: Rank, watch: Watching) -> None:
        self.rank, self.watch = rank, watch

    @property
    def alone(self) -> bool:
        return self.rank.alone

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.rank.leads

    def average(self, values: Tensor) -> None:
        """Make a float tensor, dense in memory, the mean over ranks; work for its device alone."""

    def add_up(self, values: Tensor) -> None:
        """Make a tensor the sum over ranks."""

    def gather_tensors(self, values: Tensor) -> Tensor:
        """The tensors of all ranks, (ranks, ...)."""
        return values[None]

    def gather(self, thing: T) -> list[T]:
        """What each rank has, by rank."""
        return [thing]

    def from_first(self, thing: T) -> T:
        """What rank 0 has."""
        return thing

    def follow_first(self, values: Tensor) -> None:
        """Make a tensor what it is on rank 0."""

    def together(self, work: Callable[[], T]) -> T:
        """Do something on each rank. When it fails on one, it fails on all, with its error."""
        return work()

    def first(self, work: Callable[[], T]) -> T:
        """Do something on rank 0 while the others wait; what it returns, or fails with, is
        everyone's."""
        return work()

    def to_first(self, thing: T) -> list[T]:
        """On rank 0, what each of the others has; nothing on those."""
        return []

    def agree(self, error: Exception | None, number: int = 0) -> int:
        """Raise what one of the ranks has failed with, on all of them; else the largest number that
        one has."""
        if error is not None:
            raise error
        return number


def alone() -> Group:
    return Group(Rank(), Watching())


class RemoteError(ImtransError):
    """What another rank has failed with; rank 0 says so."""


class TorchGroup(Group):
    """The ranks of a job of torchrun."""

    def __init__(self, rank: Rank, watch: RankWatch) -> None:
        super().__init__(rank, watch)
        self._on_gpus: Any = None

    def _group_of(self, values: Tensor) -> Any:
        """NCCL keeps to GPUs: numbers and texts of the host go through gloo."""
        if values.device.type != "cuda":
            return None
        if self._on_gpus is None:  # by now each rank has chosen its device
            self._on_gpus = dist.new_group(backend="nccl", timeout=FOREVER)
        return self._on_gpus

    def average(self, values: Tensor) -> None:
        self.add_up(values)
        values /= self.rank.of

    def add_up(self, values: Tensor) -> None:
        with self.watch.waiting():
            dist.all_reduce(values, group=self._group_of(values))

    def gather_tensors(self, values: Tensor) -> Tensor:
        rows = [torch.empty_like(values) for _ in range(self.rank.of)]
        with self.watch.waiting():
            dist.all_gather(rows, values, group=self._group_of(values))
        return torch.stack(rows)

    def gather(self, thing: T) -> list[T]:
        rows: list[Any] = [None] * self.rank.of
        with self.watch.waiting():
            dist.all_gather_object(rows, thing)
        return rows

    def from_first(self, thing: T) -> T:
        found: list[Any] = [thing if self.leads else None]
        with self.watch.waiting():
            dist.broadcast_object_list(found, src=0)
        return found[0]

    def follow_first(self, values: Tensor) -> None:
        sent = values.detach().contiguous()
        with self.watch.waiting():
            dist.broadcast(sent, src=0, group=self._group_of(sent))
        with torch.no_grad():
            values.copy_(sent)

    def together(self, work: Callable[[], T]) -> T:
        failure: Exception | None = None
        try:
            found = work()
        except (ImtransError, OSError) as error:
            failure = error
        self.agree(failure)
        return found

    def first(self, work: Callable[[], T]) -> T:
        found: Any = None
        failure: Exception | None = None
        if self.leads:
            with self.watch.patient():
                try:
                    found = work()
                except (ImtransError, OSError) as error:
                    failure = error
        self.agree(failure)
        return self.from_first(found)

    def to_first(self, thing: T) -> list[T]:
        rows: list[Any] | None = [None] * self.rank.of if self.leads else None
        with self.watch.waiting():
            dist.gather_object(thing, rows, dst=0)
        return rows[1:] if rows else []

    def agree(self, error: Exception | None, number: int = 0) -> int:
        said = torch.tensor([0 if error is None else 1, number])
        with self.watch.waiting():
            dist.all_reduce(said, op=dist.ReduceOp.MAX)
        failed, largest = said.tolist()
        if not failed:
            return int(largest)
        told = self.gather(None if error is None else str(error))
        rank, text = next((rank, text) for rank, text in enumerate(told) if text is not None)
        if not self.leads:
            raise Told(text)
        if error is not None:
            raise error
        raise RemoteError(f"rank {rank}: {text}")


@contextmanager
def joined(patience: float = PATIENCE) -> Iterator[Group]:
    """The group that this process belongs to, by itself or with others that torchrun has started.

    When another rank ends, or makes no progress for `patience` seconds, `Lost` is raised or the
    process is ended, with a line that names it. Raises ImtransError when no group can be formed.
    """
    rank = this_rank()
    if rank.alone:
        yield alone()
        return
    store: Any = common_store(rank)
    dist.init_process_group(
        "gloo",
        store=dist.PrefixStore("group", store),
        rank=rank.number,
        world_size=rank.of,
        timeout=FOREVER,
    )
    watch = RankWatch(rank, dist.PrefixStore("watch", store.clone()), patience)
    watch.begin()
    try:
        yield TorchGroup(rank, watch)
    except Lost:
        raise  # with the others gone, there is nothing to take leave of
    except BaseException:
        watch.end()
        raise
    else:
        watch.leave()
        dist.destroy_process_group()
