"""A step whose batch does not fit into memory: its gradients are gathered part by part."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from imtrans.api.method import Batch, Phase
from imtrans.host.randomness import random_state, set_random_state
from imtrans.training.step.preserving import preserving_own
from imtrans.training.step.step import Losses, Step


@dataclass(frozen=True)
class Part:
    """Some pairs of a batch."""

    batch: Batch
    share: float  # of the whole batch
    random: dict[str, Tensor]  # the random state in which the method makes something of it
    made: Any  # without a graph
    counts: bool = True  # or it is there because another rank has more parts


def accumulated_step(step: Step, batch: Batch, size: int) -> Losses:
    """The step of a whole batch in parts of at most `size` pairs.

    Equal to it where no layer looks across the batch (instance norm); batch norm sees each part by
    itself. A phase has to learn from all parts before the next one learns from any, so what the
    method makes of each part is made twice, the second time with the same dropout, and only one
    part's activations are in memory at once.
    """
    batch = step.engine.laid_out(batch)
    with step.computing(batch):
        losses = _accumulated(step, batch, size)
    step.follow()
    return losses


def _accumulated(step: Step, batch: Batch, size: int) -> Losses:
    parts = _parts(step, batch, size)
    losses: Losses = {}
    for phase in step.phases:
        random = random_state(step.device)
        for _ in range(phase.times):
            step.optimizers[phase.name].forget_gradients()
            with step.only(phase):
                rows = [_learned(step, phase, part) for part in parts]
            step.optimizers[phase.name].update()
        if not phase.detached:  # what was made again must not move what is drawn next
            set_random_state(random, step.device)
        losses |= {name: torch.stack([row[name] for row in rows]).sum() for name in rows[0]}
    return losses


def _parts(step: Step, batch: Batch, size: int) -> list[Part]:
    split = [Batch(*sides) for sides in zip(*(side.split(size) for side in batch), strict=True)]
    parts: list[Part] = []
    most = _most_parts(step, batch, len(split))
    with torch.no_grad(), without_tracking(step.method):
        for some in split:
            random = random_state(step.device)
            parts.append(Part(some, len(some.source) / len(batch.source), random, step.make(some)))
        for _ in range(most - len(parts)):
            with _keeping_time(step):
                made = step.make(parts[-1].batch)
            parts.append(replace(parts[-1], share=0.0, made=made, counts=False))
    return parts


def _most_parts(step: Step, batch: Batch, own: int) -> int:
    """The parts of the rank that has the most: ranks whose norms are synchronised meet in each.
    Where all have a full batch, they have equally many."""
    full = step.train.batch_size * step.train.accumulate
    if step.weight == 1 and len(batch.source) == full:
        return own
    return step.group.agree(None, own)


@contextmanager
def _keeping_time(step: Step) -> Iterator[None]:
    """Within, a rank computes what leaves no trace, as another one has more to compute."""
    step.counts = False
    try:
        with preserving_own(step.method):
            yield
    finally:
        step.counts = True


def _learned(step: Step, phase: Phase, part: Part) -> Losses:
    with nullcontext() if part.counts else _keeping_time(step):
        return _backward(step, phase, part)


def _backward(step: Step, phase: Phase, part: Part) -> Losses:
    if phase.detached:
        made = part.made
    else:
        set_random_state(part.random, step.device)
        made = step.make(part.batch)
    total, terms = step.loss(phase, part.batch, made)
    (total * part.share).backward()
    return {name: value * part.share for name, value in terms.items()}


@contextmanager
def without_tracking(network: nn.Module) -> Iterator[None]:
    """Batch norm normalises as in training, and its running statistics do not change."""
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.track_running_stats
    ]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
