"""A whole step as one CUDA graph: recorded once, replayed by a single launch.

At batch 1 a GPU finishes each kernel of a step before the next is launched; a graph removes the
launches. What must hold while one is recorded:

- Everything is at fixed addresses: inputs and losses in buffers of their own; weights, moments,
  running statistics and the learning rate are changed in place.
- Recording needs steps taken before it, on a stream of their own, so that libraries have chosen
  their algorithms and the optimisers have their state. They must leave no trace: weights, running
  statistics, moments and the random state are put back.
- Dropout draws from the device's generator, which the graph advances at every replay.
- Autocast must not keep weights cast before the recording (`Engine.autocast`).
"""

import torch

from imtrans.api.method import Batch
from imtrans.training.step.preserving import preserving_state, preserving_weights
from imtrans.training.step.step import Losses, Step

WARM_UP = 3  # steps; all states of requires_grad are met in each


class GraphedStep:
    """The step of a method on CUDA for batches of one shape. Raises RuntimeError when it cannot be
    recorded; the method is then as it was."""

    def __init__(self, step: Step, batch: Batch) -> None:
        self.batch = Batch(*(torch.empty_like(side) for side in step.engine.laid_out(batch)))
        self._fill(batch)
        self.graph = torch.cuda.CUDAGraph()
        with preserving_state(step.method, step.device), preserving_weights(step):
            self._warm_up(step)
            with torch.cuda.graph(self.graph):
                losses = step(self.batch)
                self.losses = torch.stack(list(losses.values()))
        self.names = list(losses)

    def _warm_up(self, step: Step) -> None:
        stream = torch.cuda.Stream(step.device)
        stream.wait_stream(torch.cuda.current_stream(step.device))
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                step(self.batch)
        torch.cuda.current_stream(step.device).wait_stream(stream)

    def _fill(self, batch: Batch) -> None:
        for place, side in zip(self.batch, batch, strict=True):
            place.copy_(side, non_blocking=True)

    def fits(self, batch: Batch) -> bool:
        return all(x.shape == y.shape for x, y in zip(batch, self.batch, strict=True))

    def __call__(self, batch: Batch) -> Losses:
        self._fill(batch)
        self.graph.replay()
        # A copy: the next replay writes into the same place.
        return dict(zip(self.names, self.losses.clone().unbind(), strict=True))
