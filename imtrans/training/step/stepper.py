"""Steps, each as fast as can be: replayed from a graph, or taken one by one."""

from collections.abc import Callable

from torch import Tensor

from imtrans.api.errors import is_out_of_memory
from imtrans.components.methods.pix2pix import Losses, Pix2Pix
from imtrans.recipe.schema import TrainTable
from imtrans.training.step.accumulate import accumulated_step
from imtrans.training.step.graph import GraphedStep


class Stepping:
    """Takes the steps of a model. Batches of `batch_size` go through a CUDA graph if the engine has
    one; smaller ones, at the end of an epoch, and steps that cannot be recorded do without, which
    is said once."""

    def __init__(self, model: Pix2Pix, train: TrainTable, say: Callable[[str], None]) -> None:
        self.model, self.say = model, say
        self.batch_size, self.accumulate = train.batch_size, train.accumulate
        self._wanted = model.engine.graphed
        self._graph: GraphedStep | None = None

    def __call__(self, source: Tensor, target: Tensor) -> Losses:
        """One step on (N, C, H, W) in [-1, 1]: the losses, still on the device."""
        losses = self._step(source, target)
        if self.model.average:
            self.model.average.follow(self.model.generator)
        return losses

    def _step(self, source: Tensor, target: Tensor) -> Losses:
        if self.accumulate > 1:
            return accumulated_step(self.model, source, target, self.batch_size)
        if self._wanted and len(source) == self.batch_size:
            self._record(source, target)
        if self._graph and self._graph.fits(source, target):
            return self._graph(source, target)
        return self.model.step(source, target)

    def _record(self, source: Tensor, target: Tensor) -> None:
        self._wanted = False
        try:
            self._graph = GraphedStep(self.model, source, target)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
            self.say(f"no CUDA graph of this step ({reason}); taking its parts one by one")
