"""Everything from which a run can be continued, to and from a checkpoint.

The state of a training is a method's networks, its other buffers, the moments of its optimisers and
the random state. `imtrans.training.step.step.Step` holds them; here they become files, and back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.api.method import Method
from imtrans.host.foreign import reading
from imtrans.host.randomness import random_state, set_random_state
from imtrans.runs import checkpoint
from imtrans.runs.best import Best
from imtrans.runs.checksums import verify
from imtrans.runs.copies import copied
from imtrans.runs.header import SUFFIX, TRAINING, Header, read_headers
from imtrans.runs.run_dir import RunDir
from imtrans.runs.weights import load_into, read_tensors
from imtrans.task import Task

LEARNING = "learning/"  # weights behind an average, by translator
STATE = "state/"  # buffers of the method outside its networks
RANDOM = "random/"


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
    """What comes next: batch `batch` (from 0) of epoch `epoch` (from 1), after `step` steps."""

    epoch: int = 1
    batch: int = 0
    step: int = 0
    best: Best = field(default_factory=Best)

    @property
    def phases_of(self) -> int:
        """The epoch whose phases the last step had: a new epoch may change them only when it
        begins."""
        return self.epoch if self.batch else max(self.epoch - 1, 1)


def snapshot(
    path: Path, training: Training, position: Position, task: Task, per_epoch: int
) -> Callable[[], None]:
    """A function that writes a checkpoint of a training as it is now, whenever it is called. It
    raises ImtransError."""
    parts = {name: module.state_dict() for name, module in modules(training).items()}
    state = (
        training.optimizer_state()
        | _behind_the_averages(training)
        | {STATE + name: buffer for name, buffer in _other_buffers(training.method).items()}
        | {RANDOM + name: value for name, value in random_state(training.device).items()}
    )
    data = {"batches_per_epoch": str(per_epoch), "files": task.files_sum}
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
        "best": position.best.dumps(),
        "stride": str(generator.stride),
        **{f"scale/{name}": task.scale_of(name).dumps() for name in training.translating},
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


def _other_buffers(method: Method) -> dict[str, Tensor]:
    inside = tuple(f"{name}." for name in method.networks())
    return {name: b for name, b in method.named_buffers() if not name.startswith(inside)}


def resume(
    run: RunDir, training: Training, task: Task, per_epoch: int, say: Callable[[str], None]
) -> Position:
    """Put a training where its run is: into the state of the newest checkpoint, if any."""
    torch.manual_seed(run.recipe.seed)
    found = _newest_whole(run, training, say)
    if not found:
        return Position()
    path, position, header = found
    per_epoch_then = header.number("batches_per_epoch")
    epochs = run.recipe.train.epochs
    where = f", in epoch {position.epoch} of {epochs}"
    done = f": finished; to train longer: --set train.epochs={2 * epochs}"
    say(f"continuing after {path}{where if position.epoch <= epochs else done}")
    if position.batch and per_epoch != per_epoch_then:
        # A place inside an epoch means nothing in other data.
        position.batch = 0
        say(
            f"the data changed: an epoch had {per_epoch_then} batches, now it has {per_epoch}; "
            f"epoch {position.epoch} starts again"
        )
    elif header.facts.get("files", task.files_sum) != task.files_sum:
        say(
            "the data changed: the files to train on have other names, sizes or times than in the "
            "session before. training continues on what is there now"
        )
    return position


def _newest_whole(
    run: RunDir, training: Training, say: Callable[[str], None]
) -> tuple[Path, Position, Header] | None:
    """Restore the newest checkpoint that can be; one that is damaged is set aside."""
    paths = run.learned()
    for path in reversed(paths):
        try:
            return path, *restore(path, training)
        except ImtransError as error:
            if path == paths[0]:
                raise ImtransError(
                    f"{error}\nno checkpoint before it is left. start over with --fresh (the run "
                    "is renamed, not deleted)"
                ) from error
            say(f"{error}; using the checkpoint before it")
            _set_aside(path)
    return None


def _set_aside(path: Path) -> None:
    aside, number = path.with_name(f"{path.name}.damaged"), 1
    while aside.exists():  # the same step was damaged before
        aside, number = path.with_name(f"{path.name}.damaged-{number}"), number + 1
    path.rename(aside)


def restore(path: Path, training: Training) -> tuple[Position, Header]:
    """Put a training into the state of a checkpoint; returns its position, and its header.

    Raises ImtransError when a file is missing, damaged, or of another checkpoint.
    """
    verify(path)
    header = read_headers(path)[0]
    with reading(header.path, "its header has no best validation"):
        best = Best.loads(header.facts.get("best"))
    position = Position(header.epoch, header.number("batch"), header.step, best)
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
    return position, header


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
            module.load_state_dict(_below(state, f"{LEARNING}{name}/"))
            training.averages.updates[name].copy_(state[f"average/{name}/updates"])
    others = _other_buffers(training.method)
    saved = _below(state, STATE)
    for name, buffer in others.items():
        if saved[name].shape != buffer.shape:
            raise ValueError(f"'{name}' has another shape")
        buffer.copy_(saved[name])
    training.load_optimizer_state(state)
    set_random_state(_below(state, RANDOM), training.device)


def _below(state: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


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
