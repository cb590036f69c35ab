"""Steps, each as fast as can be: replayed from a graph, in parts, or taken one by one."""

from collections.abc import Callable, Iterator
from typing import Protocol

from imtrans.api.method import Batch
from imtrans.training.step.accumulation import accumulated_step
from imtrans.training.step.graph import FixedBatch, GraphedSteps
from imtrans.training.step.preserving import preserving_own
from imtrans.training.step.step import Losses, Step


class Feed(Protocol):
    """The batches of a training, one after another."""

    batch_size: int  # of every batch but the last of an epoch
    resident: bool  # whether the device makes batches by itself: then `cut` and what is below work

    @property
    def weight(self) -> float:
        """What the next batch counts: see `imtrans.data.draws.Own`."""
        ...

    def next(self) -> Batch:
        """The next batch, on the device."""
        ...

    @property
    def whole(self) -> int:
        """How many batches of full size come before the end of the epoch."""
        ...

    def cut(self) -> Batch:
        """The next batch of full size, without the host: work that a graph can hold."""
        ...

    def passed(self, batches: int) -> None:
        """So many batches were cut by a graph."""
        ...

    def rewind(self) -> None:
        """What was cut since the last `passed` does not count: it was to try a recording."""
        ...


class Stepper:
    """Takes the steps of a training. Batches of full size go through a CUDA graph if the engine has
    one; smaller ones, at the end of an epoch, and steps that cannot be recorded do without, which
    is said once."""

    def __init__(
        self, step: Step, say: Callable[[str], None], quiet: Callable[[], None] = lambda: None
    ) -> None:
        self.step, self.say = step, say
        self._quiet = quiet  # returns when no other thread waits for the device
        self.full = step.train.batch_size
        self._forget()

    def _forget(self) -> None:
        self._records = self.step.engine.graphed
        self._fixed: FixedBatch | None = None
        self._graphs: dict[int, GraphedSteps] = {}  # by the number of steps in each

    def begin_epoch(self, epoch: int) -> bool:
        """To be called before the first step of each epoch (from 1). Whether the method has other
        phases from then on."""
        changed = self.step.begin_epoch(epoch)
        if changed:
            self._forget()
        return changed

    def take(self, feed: Feed, most: int = 1) -> tuple[int, Losses]:
        """Take steps on what comes next, `most` at most. Returns how many were taken, and their
        losses, each (steps,) or a scalar, still on the device."""
        self.full = min(self.step.train.batch_size, feed.batch_size)
        self.step.weight = feed.weight
        for count in self._launches(feed, most):
            if graph := self._recorded(feed.cut, count, feed.rewind):
                losses = graph()
                feed.passed(count)
                self.step.finish(count)
                return count, losses
        return 1, self(feed.next())

    def _launches(self, feed: Feed, most: int) -> Iterator[int]:
        """How many steps a graph may take now, the most first."""
        most = min(most, feed.whole) if feed.resident and self._can_record else 0
        several = self.step.engine.launch if self.step.several else 1
        if 1 < several <= most:
            yield several
        if most:
            yield 1

    def __call__(self, batch: Batch) -> Losses:
        """One step on a batch: the losses, still on the device."""
        if self.step.weight:
            losses = self._taken(batch)
        else:  # another rank's pair leaves no trace in what is this one's own
            with preserving_own(self.step.method):
                losses = self._taken(batch)
        self.step.finish()
        return losses

    def _taken(self, batch: Batch) -> Losses:
        if self.step.train.accumulate > 1:
            return accumulated_step(self.step, batch, self.step.train.batch_size)
        if self._can_record and len(batch.source) == self.full and self.step.weight == 1:
            if self._fixed and self._fixed.fits(batch):
                self._fixed.fill(batch)
            else:
                self._fixed, self._graphs = FixedBatch(self.step.engine.laid_out(batch)), {}
            if graph := self._recorded(self._fixed, 1):
                return {name: values[0] for name, values in graph().items()}
        return self.step(batch)

    @property
    def _can_record(self) -> bool:
        # An average begins with a copy, once.
        return self._records and (not self.step.averages or self.step.averages.begun)

    def _recorded(
        self, batches: Callable[[], Batch], count: int, rewind: Callable[[], None] = lambda: None
    ) -> GraphedSteps | None:
        """The graph of so many steps, recorded when it is first asked for."""
        if self._records and count not in self._graphs:
            self._quiet()
            try:
                unread = self.step.train.log_every
                self._graphs[count] = GraphedSteps(self.step, batches, count=count, unread=unread)
            except RuntimeError as error:  # too little memory for a graph is one, too
                self._records = False
                self._graphs.clear()
                cause = error.__context__ or error  # what ended it, not what followed from that
                reason = next(iter(str(cause).splitlines()), "") or type(cause).__name__
                self.say(
                    f"note: no CUDA graph of this step ({reason}); running it in parts. Nothing to "
                    "do."
                )
            if not all(self.step.group.gather(self._records)):  # all replay, or none
                self._records = False
                self._graphs.clear()
            rewind()
        return self._graphs.get(count)
