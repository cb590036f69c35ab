"""The runs of a sweep, trained one after the other; what is done is not done again."""

import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.benchmark.memory import release
from imtrans.host.foreign import FAULTS, reason
from imtrans.runs.best import Best
from imtrans.runs.listing import newest_whole
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.loop import Outcome

NO_MEMORY = "not enough memory: use a smaller train.batch_size, data.crop_size or generator.width"


@dataclass(frozen=True)
class SweepRun:
    """A variant with a seed, and where it is trained."""

    variant: str
    seed: int
    folder: Path
    task: Task

    @property
    def is_finished(self) -> bool:
        """Whether all its epochs are done, or its patience has ended it."""
        header = newest_whole(self.folder)
        if header is None:
            return False
        if header.epoch > self.task.recipe.train.epochs:
            return True
        patience = self.task.recipe.validation.patience
        with suppress(*FAULTS):
            best = Best.loads(header.facts.get("best"))
            return patience is not None and best.since >= patience
        return False


@dataclass
class Trained:
    """What became of the runs."""

    interrupted: Outcome | None = None
    failed: dict[Path, str] = field(default_factory=dict)  # a run, and why


def train_all(
    runs: Sequence[SweepRun],
    device: str,
    console: Console,
    say: Callable[[str], None],
    *,
    command: Sequence[str] = (),
) -> Trained:
    """Train what is not finished. One that fails is noted, and the next begins; Ctrl-C and SIGTERM
    end the sweep, with what was learned saved."""
    trained = Trained()
    for number, run in enumerate(runs, 1):
        named = f"run {number} of {len(runs)}: {run.folder.name}"
        if run.is_finished:
            say(f"{named} is finished")
            continue
        say(named)
        try:
            outcome = fit(run.task, run.folder, device=device, console=console, command=command)
        except Exception as error:
            trained.failed[run.folder] = _why(error, say)
            say(f"{run.folder.name} failed: {trained.failed[run.folder]}")
        else:
            if outcome.interrupted_by is not None:
                trained.interrupted = outcome
                break
        _forget(device)
    return trained


def _why(error: Exception, say: Callable[[str], None]) -> str:
    """A failure in words; of a mistake of ours, or a plugin's, also where it is."""
    if is_out_of_memory(error):
        return NO_MEMORY
    if isinstance(error, ImtransError):
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return where + (error.strerror or str(error)).lower()
    say("".join(traceback.format_exception(error)).rstrip())
    return f"{type(error).__name__}: {reason(error)}"


def _forget(device: str) -> None:
    """Leave the next run a process as this one found it."""
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()  # else kernels become dynamic because other sizes were compiled
    release(torch.device(device))
