"""Everything from which a run can be continued, to and from a checkpoint.

The state of a training is a method's networks, its other buffers, the moments of its optimisers and
the random state. `imtrans.training.step.step.Step` holds them; here they become files, and back.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.api.method import Method
from imtrans.api.samplers import NFE, nfe_of
from imtrans.host.foreign import reading
from imtrans.runs import checkpoint
from imtrans.runs.best import Best
from imtrans.runs.checksums import verify
from imtrans.runs.copies import copied
from imtrans.runs.header import SUFFIX, TRAINING, Header, read_headers
from imtrans.runs.rank_state import (
    RankState,
    below,
    load_rank_state,
    of_the_others,
    others_in,
    rank_state,
)
from imtrans.runs.weights import load_into, read_tensors
from imtrans.task import Task

MOST_RANKS = 2**16
LEARNING = "learning/"  # weights behind an average, by translator


class Averaging(Protocol):
    """Moving averages of a method's translators."""

    @property
    def modules(self) -> dict[str, nn.Module]: ...

    @property
    def updates(self) -> dict[str, Tensor]: ...


class Training(Protocol):
    """What is saved and restored of a training."""

    method: Method
    device: torch.device

    @property
    def averages(self) -> Averaging | None: ...

    @property
    def translating(self) -> Mapping[str, nn.Module]: ...

    def begin_epoch(self, epoch: int) -> bool: ...

    def optimizer_state(self) -> dict[str, Tensor]: ...

    def load_optimizer_state(self, state: Mapping[str, Tensor]) -> None: ...


@dataclass
class Position:
    """What comes next: batch `batch` (from 0) of epoch `epoch` (from 1), after `step` steps.
    `skipped` pairs of that epoch were seen before, in batches of another size."""

    epoch: int = 1
    batch: int = 0
    step: int = 0
    skipped: int = 0
    best: Best = field(default_factory=Best)

    @property
    def phases_of(self) -> int:
        """The epoch whose phases the last step had: a new epoch may change them only when it
        begins."""
        return self.epoch if self.batch or self.skipped else max(self.epoch - 1, 1)


def snapshot(
    path: Path,
    training: Training,
    position: Position,
    task: Task,
    others: Sequence[RankState] = (),
) -> Callable[[], None]:
    """A function that writes a checkpoint of a training as it is now, whenever it is called. It
    raises ImtransError. `others` are the states of the other ranks."""
    parts = {name: module.state_dict() for name, module in modules(training).items()}
    state = (
        training.optimizer_state()
        | _behind_the_averages(training)
        | rank_state(training.method, training.device)
        | of_the_others(others)
    )
    data = {
        "batches_per_epoch": str(task.steps_per_epoch()),
        "ranks": str(task.ranks),
        "files": task.files_sum,
    }
    facts = _facts(training, position, task) | data
    kept = copied(parts | {"training": state}, training.device)
    return partial(checkpoint.save, path, kept, task, facts)


def snapshot_translators(
    path: Path, training: Training, position: Position, task: Task
) -> Callable[[], None]:
    """As `snapshot`, of a checkpoint that translates and no more."""
    parts = {name: module.state_dict() for name, module in training.translating.items()}
    facts = _facts(training, position, task)
    return partial(checkpoint.save, path, copied(parts, training.device), task, facts)


def _facts(training: Training, position: Position, task: Task) -> dict[str, str]:
    generator = next(iter(training.translating.values()))
    return {
        "step": str(position.step),
        "epoch": str(position.epoch),
        "batch": str(position.batch),
        "skipped": str(position.skipped),
        "best": position.best.dumps(),
        "stride": str(generator.stride),
        **{f"scale/{name}": task.scale_of(name).dumps() for name in training.translating},
        **{
            f"{NFE}/{name}": str(nfe)
            for name, module in training.translating.items()
            if (nfe := nfe_of(module)) is not None
        },
    }


def modules(training: Training) -> dict[str, nn.Module]:
    """What is a file of its own: the translators, averaged where they are, and the networks that
    are none."""
    learning = {id(module) for module in training.method.translators().values()}
    others = {
        name: network
        for name, network in training.method.networks().items()
        if id(network) not in learning
    }
    if clash := others.keys() & training.translating.keys():
        name = clash.pop()
        raise ImtransError(
            f"the method {type(training.method).__name__} has a network and another translator "
            f"that are both called '{name}'; rename one"
        )
    return dict(training.translating) | others


def restore(path: Path, training: Training) -> tuple[Position, Header, list[RankState]]:
    """Put a training into the state of a checkpoint; returns its position, its header, and what the
    ranks after the first had for themselves.

    Raises ImtransError when a file is missing, damaged, or of another checkpoint.
    """
    verify(path)
    header = read_headers(path)[0]
    with reading(header.path, "its header has no best validation"):
        best = Best.loads(header.facts.get("best"))
    skipped = header.number("skipped") if "skipped" in header.facts else 0
    position = Position(header.epoch, header.number("batch"), header.step, skipped, best)
    _check_place(header)
    training.begin_epoch(position.phases_of)
    for name, module in modules(training).items():
        load_into(module, path / f"{name}{SUFFIX}")
    state = read_tensors(path / TRAINING)
    if header.facts["format"] == "1":
        state = _with_names_of_today(state)
    try:
        _load(training, state)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ImtransError(f"{path / TRAINING}: does not fit this recipe: {error}") from error
    header.number("batches_per_epoch")  # or this is no checkpoint to continue from
    return position, header, others_in(state, ranks_of(header))


def ranks_of(header: Header) -> int:
    """How many ranks have trained it; one, before there were several."""
    ranks = header.number("ranks") if "ranks" in header.facts else 1
    if not 0 < ranks <= MOST_RANKS:
        raise ImtransError(f"{header.path}: its header is damaged: {ranks} ranks")
    return ranks


def _check_place(header: Header) -> None:
    """Raise ImtransError for a position that no training comes to, from which a run would pass
    for done, or leave out an epoch."""
    batch, most = header.number("batch"), header.number("batches_per_epoch")
    if batch > min(most, header.step) or header.epoch > header.step + 1:
        raise ImtransError(
            f"{header.path}: its header is damaged: batch {batch} of {most} in epoch "
            f"{header.epoch}, after {header.step} steps"
        )


def _load(training: Training, state: dict[str, Tensor]) -> None:
    if training.averages:
        for name, module in training.method.translators().items():
            module.load_state_dict(below(state, f"{LEARNING}{name}/"))
            training.averages.updates[name].copy_(state[f"average/{name}/updates"])
    training.load_optimizer_state(state)
    load_rank_state(training.method, training.device, state)


def _with_names_of_today(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Of format 1: parameters were named within their network, of which there were two."""
    renamed = {}
    for key, value in state.items():
        role, _, rest = key.partition("/")
        if role in ("generator", "discriminator"):
            key = f"{role}/{role}.{rest}"
        elif key == "average/updates":
            key = "average/generator/updates"
        renamed[key] = value
    return renamed


def _behind_the_averages(training: Training) -> dict[str, Tensor]:
    """The weights that learn, where others are kept to translate with."""
    if not training.averages:
        return {}
    state: dict[str, Tensor] = {}
    for name, module in training.method.translators().items():
        state |= {f"{LEARNING}{name}/{key}": value for key, value in module.state_dict().items()}
        state[f"average/{name}/updates"] = training.averages.updates[name]
    return state
