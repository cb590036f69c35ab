"""Going on with a run: from its newest whole checkpoint, on as many ranks as there are now."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from imtrans.api.errors import ImtransError
from imtrans.host.words import counted
from imtrans.runs.header import Header
from imtrans.runs.rank_state import RankState
from imtrans.runs.run_dir import RunDir
from imtrans.runs.state import Position, Training, ranks_of, restore
from imtrans.task import Task


@dataclass(frozen=True)
class Resumed:
    """Where a training goes on, and what the ranks after the first had for themselves: nothing
    where there were other ranks than now."""

    position: Position
    others: Sequence[RankState] = ()


def resume(run: RunDir, training: Training, task: Task, say: Callable[[str], None]) -> Resumed:
    """Put a training where its run is: into the state of the newest checkpoint, if any."""
    torch.manual_seed(run.recipe.seed)
    found = _newest_whole(run, training, say)
    if not found:
        return Resumed(Position())
    path, position, header, others = found
    epochs = run.recipe.train.epochs
    where = f", in epoch {position.epoch} of {epochs}"
    done = f": finished; to train longer: --set train.epochs={2 * epochs}"
    say(f"continuing after {path}{where if position.epoch <= epochs else done}")
    ranks = ranks_of(header)
    _say_if_data_changed(position, header, task, ranks, say)
    if ranks != task.ranks:
        _continue_on_other_ranks(position, task, ranks, say)
    return Resumed(position, others if ranks == task.ranks else ())


def _say_if_data_changed(
    position: Position, header: Header, task: Task, ranks: int, say: Callable[[str], None]
) -> None:
    """Where an epoch has other pairs than it had, it starts again."""
    then, now = header.number("batches_per_epoch"), task.steps_per_epoch(ranks)
    if (position.batch or position.skipped) and now != then:
        # A place inside an epoch means nothing in other data.
        position.batch = position.skipped = 0
        say(
            f"the data changed: an epoch had {then} batches, now it has {now}; epoch "
            f"{position.epoch} starts again"
        )
    elif header.facts.get("files", task.files_sum) != task.files_sum:
        say(
            "the data changed: the files to train on have other names, sizes or times than in the "
            "session before. training continues on what is there now"
        )


def _continue_on_other_ranks(
    position: Position, task: Task, ranks: int, say: Callable[[str], None]
) -> None:
    """The epoch goes on behind the pairs that were seen, in steps of another size."""
    position.skipped += position.batch * (task.images_per_step // task.ranks * ranks)
    position.batch = 0
    if position.skipped >= len(task.pairs):
        position.epoch, position.skipped = position.epoch + 1, 0
    say(
        f"continuing on {counted(task.ranks, 'process', 'processes')}; the session before had "
        f"{ranks}: a step takes {counted(task.images_per_step, 'image')} now, of the pairs of "
        "this epoch that are left"
    )


def _newest_whole(
    run: RunDir, training: Training, say: Callable[[str], None]
) -> tuple[Path, Position, Header, list[RankState]] | None:
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
