"""How a step is computed: as the reference, or fast. The step and its state are the same."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.layers import BatchNorm2d
from imtrans.api.method import Batch, Method
from imtrans.api.passes import nested
from imtrans.host.devices import Precision, autocast, choose_precision, convolving, has_tf32
from imtrans.recipe.schema import TrainTable
from imtrans.training.step.optimizer import FusedAdam, LoopAdam, is_dense
from imtrans.training.step.shadow_adam import ShadowAdam

REPAID = 20_000  # images, about an hour of a CPU's training
TUNING = 10  # algorithms, torch's own limit


@dataclass(frozen=True)
class Engine:
    """What `plain` and `fast` do differently.

    `plain` is the reference: fp32, NCHW and torch's own Adam, bit-identical to the published loop.
    `fast` has convolutions in bf16 where the device is good at it, channels_last, one kernel for
    Adam, compiled networks where that pays, and on CUDA the whole step in one graph. Weights,
    moments and losses are fp32 in both.

    Each field after `name` is one way to compute the same faster, and can be measured by itself.
    """

    name: Literal["plain", "fast"]
    device: torch.device
    precision: Precision = "fp32"
    #: what torch.compile is given: each network by itself, or all that a phase computes
    compiled: Literal["", "networks", "phases"] = ""
    #: the whole step is recorded in a CUDA graph, and replayed
    graphed: bool = False
    #: the graph cuts its batches itself, out of pairs in the device's memory
    resident: bool = False
    #: steps in one replay, where nothing is due between them and the data are resident
    launch: int = 1
    #: what batch norms count is added once a step, for all of them
    counted: bool = False
    #: the gradients of batch norms are laid out as what they normalised
    dense_gradients: bool = False
    #: bf16 copies of the weights, written by Adam, instead of casts at each use
    shadowed: bool = False
    #: what a phase shows one network after the other goes through it as parts of one batch
    halved: bool = False
    #: the order in memory; else NCHW
    channels_last: bool = True
    #: fp32 is computed from fewer bits of its factors, as GPUs do it quickly
    tf32: bool = False
    #: algorithms that cuDNN times for each convolution, 0 for all; None: it does not
    tuning: int | None = None

    @property
    def fast(self) -> bool:
        return self.name == "fast"

    @property
    def arithmetic(self) -> str:
        """The numbers that convolutions multiply: fp32, tf32 or bf16."""
        return "tf32" if self.tf32 and self.precision == "fp32" else self.precision

    def __str__(self) -> str:
        compiled = {"": "", "networks": "compiled", "phases": "compiled whole"}[self.compiled]
        graph = "one graph" if self.graphed else ""
        return ", ".join(part for part in (self.name, self.arithmetic, compiled, graph) if part)

    def simpler(self) -> "Engine":
        """The same without what only speeds it up on CUDA, but for the graph."""
        return replace(
            self, counted=False, dense_gradients=False, shadowed=False, halved=False, launch=1
        )

    def autocast(self) -> AbstractContextManager[object]:
        # A graph replays what was captured: a weight cast before it would be that of another step.
        return autocast(self.device, self.precision, cached=not self.graphed)

    def convolving(self) -> AbstractContextManager[object]:
        """A context in which the device computes as this engine has it."""
        return convolving(self.device, tf32=self.tf32, tuning=self.tuning)

    @property
    def memory_format(self) -> torch.memory_format:
        last = self.fast and self.channels_last
        return torch.channels_last if last else torch.contiguous_format

    def prepare(self, method: Method) -> None:
        """Put a method into training, its weights in this engine's memory format. Its networks
        return float32, whatever they compute in."""
        method.train()
        for network in method.networks().values():
            network.to(memory_format=self.memory_format)  # type: ignore[call-overload]
            network.passes_together = self.halved  # type: ignore[assignment]
            network._compiled_call_impl = None  # of another engine
            if _returns_float32 not in network._forward_hooks.values():
                network.register_forward_hook(_returns_float32)
            if self.compiled == "networks":
                network.compile()
        for norm in batch_norms(method):
            norm.dense = self.dense_gradients
            norm.calls = None

    def laid_out(self, batch: Batch) -> Batch:
        """The batch in this engine's memory format."""
        if self.memory_format is torch.contiguous_format:
            return batch
        return Batch(*(x.contiguous(memory_format=torch.channels_last) for x in batch))

    def adam(
        self, parameters: Mapping[str, nn.Parameter], rate: float, train: TrainTable
    ) -> LoopAdam:
        dense = all(is_dense(parameter) for parameter in parameters.values())
        if not self.fast or not dense or self.device.type not in ("cpu", "cuda"):
            return LoopAdam(parameters, rate, train.betas, clip_norm=train.clip_norm)
        capturable = self.graphed and self.device.type == "cuda"
        if (
            self.shadowed and self.precision == "bf16" and train.clip_norm is None
        ):  # whose norm is one of fp32 gradients
            compiled = self.device.type == "cuda"
            return ShadowAdam(
                parameters, rate, train.betas, capturable=capturable, compiled=compiled
            )
        return FusedAdam(
            parameters, rate, train.betas, clip_norm=train.clip_norm, capturable=capturable
        )


def batch_norms(method: nn.Module) -> list[BatchNorm2d]:
    """Those that an engine can ask for something."""
    return [module for module in method.modules() if isinstance(module, BatchNorm2d)]


def _returns_float32(network: nn.Module, inputs: object, output: Any) -> Any:
    return nested(lambda x: x.float() if x.is_floating_point() else x, output)


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
    engine = Engine("fast", device, precision)
    if _pays(train, device, steps):
        # In a graph of its own each network would leave casts and losses outside.
        engine = replace(engine, compiled="phases" if device.type == "cuda" else "networks")
    return _on_cuda(engine, train) if device.type == "cuda" else engine


def _on_cuda(engine: Engine, train: TrainTable) -> Engine:
    # What accumulates puts the random state back between its parts, which no graph can.
    graphed = train.accumulate == 1
    return replace(
        engine,
        graphed=graphed,
        resident=graphed,
        counted=not engine.compiled,  # which does both by itself
        dense_gradients=not engine.compiled,
        tf32=has_tf32(engine.device),
        # Timing chooses by chance between equals, which compute other roundings.
        tuning=None if train.deterministic else TUNING,
    )


def _pays(train: TrainTable, device: torch.device, steps: int) -> bool:
    """Whether compiling is asked for, or will be repaid: on a CPU it takes up to a minute, gains
    nothing up to batch 4 and about two fifths at 16. On CUDA the graph is most of the gain."""
    if train.compile != "auto":
        return train.compile
    batch = train.batch_size
    return device.type == "cpu" and batch >= 8 and steps * batch >= REPAID
