"""Ranks that train one thing have the same weights: they begin with them, and keep them."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.method import Method
from imtrans.data.pairs import spread
from imtrans.host.group import Group
from imtrans.runs.rank_state import RankState, load_rank_state, own_buffers
from imtrans.runs.resuming import Resumed
from imtrans.runs.state import Position
from imtrans.task import Task
from imtrans.training.step.step import Step

LOOKED_AT = 1000  # pairs
ALIKE = 1e-3  # of a tensor's size; rounding differs between devices, and grows

Sums = dict[str, tuple[float, float]]  # of a tensor: its mean, its mean square


def check_same_data(task: Task, group: Group) -> None:
    """Raise ImtransError when a rank's machine has other pairs: they take turns with them by their
    numbers. Names are compared, of up to LOOKED_AT pairs, and how many there are."""
    names = [task.pairs[at].name for at in spread(len(task.pairs), LOOKED_AT)]
    digest = hashlib.sha256("\n".join(names).encode("utf-8", "surrogateescape")).hexdigest()
    rows = group.gather((len(task.pairs), digest))
    for rank, (count, found) in enumerate(rows):
        if (count, found) != rows[0]:
            more = f"{count} and {rows[0][0]}" if count != rows[0][0] else f"{count} by other names"
            raise ImtransError(
                f"{task.recipe.data.root}: rank {rank} has other pairs there than rank 0: {more}. "
                "every machine needs the same data set"
            )


def start_alike(step: Step, group: Group, resumed: Resumed, seed: int) -> Position:
    """Put every rank into the state of rank 0, which alone has read it from files; but each draws
    for itself."""
    if group.alone:
        return resumed.position
    position = group.from_first(resumed.position)
    if not group.leads and position.step:  # as rank 0 has done when it read its state
        step.begin_epoch(position.phases_of)
    for tensor in [*step.method.parameters(), *step.method.buffers()]:
        group.follow_first(tensor)
    _follow_averages(step, group)
    _follow_moments(step, group)
    _draw_for_itself(step, group, group.from_first(resumed.others), seed, position.step)
    return position


def _follow_averages(step: Step, group: Group) -> None:
    if step.averages:
        for tensor in [*step.averages.tensors(), *step.averages.updates.values()]:
            group.follow_first(tensor)


def _follow_moments(step: Step, group: Group) -> None:
    """Moments come to be with the first update: a rank that has read none makes them."""
    state = step.optimizer_state()
    known = group.from_first(
        {
            name: (tuple(value.shape), value.dtype, value.device.type)
            for name, value in state.items()
        }
    )
    if not group.leads:
        state = {
            name: torch.zeros(shape, dtype=dtype, device=step.device if kind != "cpu" else "cpu")
            for name, (shape, dtype, kind) in known.items()
        }
    for value in state.values():
        group.follow_first(value)
    if not group.leads and state:
        step.load_optimizer_state(state)


def _draw_for_itself(
    step: Step, group: Group, others: Sequence[RankState], seed: int, after: int
) -> None:
    """Dropout and pools are each rank's own: as they were, or new where ranks were others."""
    if group.leads:
        return
    if others:
        load_rank_state(step.method, step.device, others[group.rank.number - 1])
    else:
        torch.manual_seed(_seed(seed, group.rank.number, after))


def _seed(seed: int, rank: int, step: int) -> int:
    """Another for each rank and step; of text, so that no two are near each other."""
    digest = hashlib.sha256(f"rank {seed} {rank} {step}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


def check_alike(method: Method, group: Group) -> None:
    """Raise ImtransError when what the networks consist of is not the same on every rank: the
    method would go apart. To be called after a step."""
    if group.alone:
        return
    rows = group.gather(_sums(method))
    for name, mine in rows[0].items():
        for rank, row in enumerate(rows):
            if not _equal(row.get(name, (math.nan, math.nan)), mine):
                network, _, rest = name.partition(".")
                raise ImtransError(
                    f"the {network}'s '{rest}' is not the same on rank {rank} as on rank 0 after a "
                    f"step ({_shown(row, name)}, and {_shown(rows[0], name)}): it depends on what "
                    "a rank has seen. let the network compute it from its weights alone, make it a "
                    "buffer of the method, or train on one device"
                )


def _sums(method: Method) -> Sums:
    own = own_buffers(method)
    found = {name: tensor for name, tensor in _tensors(method) if name not in own}
    return {
        name: (float(values.mean()), float((values**2).mean()))
        for name, tensor in found.items()
        if tensor.numel()
        for values in [tensor.detach().double()]
    }


def _tensors(method: Method) -> Iterator[tuple[str, Tensor]]:
    yield from method.named_parameters()
    yield from method.named_buffers()


def _equal(one: tuple[float, float], other: tuple[float, float]) -> bool:
    size = math.sqrt(max(one[1], other[1], 0.0))
    mean, square = abs(one[0] - other[0]), abs(one[1] - other[1])
    if any(map(math.isnan, (*one, *other))):
        return all(map(math.isnan, one)) == all(map(math.isnan, other))
    return mean <= ALIKE * size + 1e-12 and square <= ALIKE * size**2 + 1e-12


def _shown(row: Mapping[str, tuple[float, float]], name: str) -> str:
    return f"mean {row[name][0]:.6g}" if name in row else "it has none"
