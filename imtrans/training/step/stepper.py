"""Steps, each as fast as can be: replayed from a graph, in parts, or taken one by one."""

from collections.abc import Callable

from imtrans.api.errors import is_out_of_memory
from imtrans.api.method import Batch
from imtrans.training.step.accumulation import accumulated_step
from imtrans.training.step.graph import GraphedStep
from imtrans.training.step.step import Losses, Step


class Stepper:
    """Takes the steps of a training. Batches of train.batch_size go through a CUDA graph if the
    engine has one; smaller ones, at the end of an epoch, and steps that cannot be recorded do
    without, which is said once."""

    def __init__(self, step: Step, say: Callable[[str], None]) -> None:
        self.step, self.say = step, say
        self.batch_size = step.train.batch_size
        self._records = step.engine.graphed
        self._graph: GraphedStep | None = None

    def __call__(self, batch: Batch) -> Losses:
        """One step on a batch: the losses, still on the device."""
        losses = self._taken(batch)
        self.step.finish()
        return losses

    def begin_epoch(self, epoch: int) -> None:
        """To be called before the first step of each epoch (from 1)."""
        if self.step.begin_epoch(epoch):
            self._graph, self._records = None, self.step.engine.graphed

    def _taken(self, batch: Batch) -> Losses:
        if self.step.train.accumulate > 1:
            return accumulated_step(self.step, batch, self.batch_size)
        if self._records and len(batch.source) == self.batch_size:
            self._record(batch)
        if self._graph and self._graph.fits(batch):
            return self._graph(batch)
        return self.step(batch)

    def _record(self, batch: Batch) -> None:
        self._records = False
        try:
            self._graph = GraphedStep(self.step, batch)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
            self.say(
                f"note: no CUDA graph of this step ({reason}); running it in parts. Nothing to do."
            )
