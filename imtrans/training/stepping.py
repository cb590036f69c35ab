"""Steps, each as fast as can be: replayed from a graph, or taken one by one."""

from collections.abc import Callable

from torch import Tensor

from imtrans.errors import is_out_of_memory
from imtrans.training.graph import GraphedStep
from imtrans.training.pix2pix import Losses, Pix2Pix


class Stepping:
    """Takes the steps of a model. Batches of `batch_size` go through a CUDA graph if the engine has
    one; smaller ones, at the end of an epoch, and steps that cannot be recorded do without, which
    is said once."""

    def __init__(self, model: Pix2Pix, batch_size: int, say: Callable[[str], None]) -> None:
        self.model, self.batch_size, self.say = model, batch_size, say
        self._wanted = model.engine.graphed
        self._graph: GraphedStep | None = None

    def __call__(self, source: Tensor, target: Tensor) -> Losses:
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
