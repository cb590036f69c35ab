"""How a step is computed: as the reference, or fast. The step and its state are the same."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch, Method
from imtrans.host.devices import Precision, autocast, choose_precision
from imtrans.recipe.schema import TrainTable
from imtrans.training.step.optimizer import FusedAdam, LoopAdam, is_dense

REPAID = 20_000  # images, about an hour of a CPU's training


@dataclass(frozen=True)
class Engine:
    """What `plain` and `fast` do differently.

    `plain` is the reference: fp32, NCHW and torch's own Adam, bit-identical to the published loop.
    `fast` has convolutions in bf16 where the device is good at it, channels_last, one kernel for
    Adam, compiled networks where that pays, and on CUDA the whole step in one graph. Weights,
    moments and losses are fp32 in both.
    """

    name: Literal["plain", "fast"]
    device: torch.device
    precision: Precision = "fp32"
    compiled: bool = False
    graphed: bool = False

    @property
    def fast(self) -> bool:
        return self.name == "fast"

    def __str__(self) -> str:
        more = [
            part for part, on in (("compiled", self.compiled), ("one graph", self.graphed)) if on
        ]
        return ", ".join([self.name, self.precision, *more])

    def autocast(self) -> AbstractContextManager[object]:
        # A graph replays what was captured: a weight cast before it would be that of another step.
        return autocast(self.device, self.precision, cached=not self.graphed)

    def prepare(self, method: Method) -> None:
        """Put a method into training, its weights in this engine's memory format. Its networks
        return float32, whatever they compute in."""
        method.train()
        memory_format = torch.channels_last if self.fast else torch.contiguous_format
        for network in method.networks().values():
            network.to(memory_format=memory_format)  # type: ignore[call-overload]
            network._compiled_call_impl = None  # of another engine
            if _returns_float32 not in network._forward_hooks.values():
                network.register_forward_hook(_returns_float32)
            if self.compiled:
                network.compile()

    def laid_out(self, batch: Batch) -> Batch:
        """The batch in this engine's memory format."""
        if not self.fast:
            return batch
        return Batch(*(x.contiguous(memory_format=torch.channels_last) for x in batch))

    def adam(
        self, parameters: Mapping[str, nn.Parameter], rate: float, train: TrainTable
    ) -> LoopAdam:
        dense = all(is_dense(parameter) for parameter in parameters.values())
        if not self.fast or not dense or self.device.type not in ("cpu", "cuda"):
            return LoopAdam(parameters, rate, train.betas, clip_norm=train.clip_norm)
        return FusedAdam(
            parameters, rate, train.betas, clip_norm=train.clip_norm, capturable=self.graphed
        )


def _returns_float32(network: nn.Module, inputs: object, output: Any) -> Any:
    return nested(lambda x: x.float() if x.is_floating_point() else x, output)


def nested(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """The function over all tensors in tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {key: nested(function, inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        inner = [nested(function, item) for item in value]
        return type(value)(*inner) if hasattr(value, "_fields") else type(value)(inner)
    return value


def plain(device: torch.device) -> Engine:
    return Engine("plain", device)


def choose_engine(train: TrainTable, device: torch.device, steps: int = 0) -> Engine:
    """The engine that a recipe asks for; `auto` is the fast one, compiled if so many steps repay
    it. Raises ImtransError."""
    if train.engine == "plain":
        if train.precision == "bf16":
            raise ImtransError("train.engine = 'plain' computes in fp32; leave train.precision out")
        return plain(device)
    precision = choose_precision(train.precision, device)
    # What accumulates puts the random state back between its parts, which no graph can.
    graphed = device.type == "cuda" and train.accumulate == 1
    return Engine("fast", device, precision, compiled=_pays(train, device, steps), graphed=graphed)


def _pays(train: TrainTable, device: torch.device, steps: int) -> bool:
    """Whether compiling is asked for, or will be repaid: on a CPU it takes up to a minute, gains
    nothing up to batch 4 and about two fifths at 16. On CUDA the graph is most of the gain."""
    if train.compile != "auto":
        return train.compile
    batch = train.batch_size
    return device.type == "cpu" and batch >= 8 and steps * batch >= REPAID
