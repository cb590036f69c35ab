"""A whole step as one CUDA graph: recorded once, replayed by a single launch.

At batch 1 a GPU finishes each kernel of a step before the next is launched; a graph removes the
launches. What must hold while one is recorded:

- Everything lies at fixed addresses: inputs and losses in buffers of their own; weights, moments,
  running statistics and the learning rate are changed in place.
- Recording needs steps taken before it, on a stream of their own, so that libraries have chosen
  their algorithms and the optimisers have their state. They must leave no mark: weights, running
  statistics, moments and the random state are put back.
- Dropout draws from the device's generator, which the graph advances at every replay.
- Autocast must not keep weights cast before the recording (`Engine.autocast`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from imtrans.components.methods.pix2pix import Losses, Pix2Pix
from imtrans.training.step.trial import leaving_no_mark

WARM_UP = 3  # steps; both states of the discriminator's requires_grad are met in each


class GraphedStep:
    """The step of a model on CUDA for batches of one shape. Raises RuntimeError when it cannot be
    recorded; the model is then as it was."""

    def __init__(self, model: Pix2Pix, source: Tensor, target: Tensor) -> None:
        self.source = torch.empty_like(model.engine.laid_out(source))
        self.target = torch.empty_like(model.engine.laid_out(target))
        self.source.copy_(source)
        self.target.copy_(target)
        self.graph = torch.cuda.CUDAGraph()
        with leaving_no_mark(model), _putting_back_what_was_learned(model):
            self._warm_up(model)
            with torch.cuda.graph(self.graph):
                losses = model.step(self.source, self.target)
                self.losses = torch.stack(list(losses.values()))
        self.names = list(losses)

    def _warm_up(self, model: Pix2Pix) -> None:
        stream = torch.cuda.Stream(model.device)
        stream.wait_stream(torch.cuda.current_stream(model.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                model.step(self.source, self.target)
        torch.cuda.current_stream(model.device).wait_stream(stream)

    def fits(self, source: Tensor, target: Tensor) -> bool:
        return source.shape == self.source.shape and target.shape == self.target.shape

    def __call__(self, source: Tensor, target: Tensor) -> Losses:
        self.source.copy_(source, non_blocking=True)
        self.target.copy_(target, non_blocking=True)
        self.graph.replay()
        # A copy: the next replay writes into the same place.
        return dict(zip(self.names, self.losses.clone().unbind(), strict=True))


@contextmanager
def _putting_back_what_was_learned(model: Pix2Pix) -> Iterator[None]:
    """Put weights and moments back, in place: also after a fault."""
    weights = [p for n in (model.generator, model.discriminator) for p in n.parameters()]
    before = [parameter.detach().clone() for parameter in weights]
    moments = {key: value.clone() for key, value in model.optimizer_state().items()}
    try:
        yield
    finally:
        with torch.no_grad():
            for parameter, old in zip(weights, before, strict=True):
                parameter.copy_(old)
        model.load_optimizer_state(moments)
