"""A step, or several, as one CUDA graph: recorded once, replayed by a single launch.

At batch 1 a GPU finishes each kernel of a step before the next is launched; a graph removes the
launches. What must hold while one is recorded:

- Everything is at fixed addresses: inputs and losses in buffers of their own; weights, averages,
  moments, running statistics and the learning rate are changed in place.
- Recording needs steps taken before it. They leave no trace: weights, running statistics, moments
  and the random state are put back.
- Dropout draws from the device's generator, which the graph advances at every replay.
- Autocast must not keep weights cast before the recording (`Engine.autocast`).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from imtrans.api.method import Batch
from imtrans.training.step.preserving import preserving_state, preserving_weights
from imtrans.training.step.recording import record
from imtrans.training.step.step import Losses, Step


class FixedBatch:
    """A batch that is filled from outside, always in the same place."""

    def __init__(self, batch: Batch) -> None:
        self.batch = Batch(*(torch.empty_like(side) for side in batch))
        self.fill(batch)

    def fill(self, batch: Batch) -> None:
        for place, side in zip(self.batch, batch, strict=True):
            place.copy_(side, non_blocking=True)

    def fits(self, batch: Batch) -> bool:
        return all(x.shape == y.shape for x, y in zip(batch, self.batch, strict=True))

    def __call__(self) -> Batch:
        return self.batch


class GraphedSteps:
    """`count` steps of a method, on the batches that `next_batch` returns without waiting for the
    device. Raises RuntimeError when they cannot be recorded; the method is then as it was.

    Losses are written into a ring of rows, so that those of the last `unread` steps can be read.
    """

    def __init__(
        self, step: Step, next_batch: Callable[[], Batch], *, count: int = 1, unread: int = 1
    ) -> None:
        self.step, self.next_batch, self.count = step, next_batch, count
        self._rounds, self._round = -(-unread // count) + 1, 0
        self.names: list[str] = []
        with preserving_state(step.method, step.device), preserving_weights(step):
            self._prepare()
            self._replay = record(self._work, step.device)
            self._check_that_it_moves()
        self._at.zero_()

    def _prepare(self) -> None:
        """A first step, which says how many losses there are."""
        self.names = list(self.step(self.next_batch()))
        shape = self._rounds, self.count, len(self.names)
        self._ring = torch.zeros(shape, device=self.step.device)
        self._at = torch.zeros(1, dtype=torch.int64, device=self.step.device)
        self._places = torch.arange(self._rounds, device=self.step.device)

    def _work(self) -> None:
        rows = [torch.stack(list(self.step(self.next_batch()).values())) for _ in range(self.count)]
        # Without an index, which the deterministic way may want to check on the host.
        here = (self._places == self._at)[:, None, None]
        self._ring.copy_(torch.where(here, torch.stack(rows)[None], self._ring))
        self._at.add_(1).remainder_(self._rounds)

    def _check_that_it_moves(self) -> None:
        """A graph that recorded another stream than the work's is empty, and nobody says so."""
        before = self._at.clone()
        self._replay()
        if torch.equal(self._at, before):
            raise RuntimeError("the recording is empty")

    def __call__(self) -> Losses:
        """Take the steps. Returns the losses of each, (count,), on the device."""
        self._replay()
        rows: Tensor = self._ring[self._round]
        self._round = (self._round + 1) % self._rounds
        return dict(zip(self.names, rows.unbind(1), strict=True))
