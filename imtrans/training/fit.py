"""From a recipe to a training: everything it needs, in the order in which it can fail."""

import shlex
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from rich.console import Console
from torch import nn

from imtrans.api.listener import Listener
from imtrans.api.method import Method
from imtrans.data.cache.obtain import obtain
from imtrans.data.samples import Sampler
from imtrans.host.background import Background
from imtrans.host.devices import choose_device, computing
from imtrans.host.group import Group, alone
from imtrans.host.ranks import is_restart
from imtrans.host.terminal import Terminal, progress, say
from imtrans.runs.resuming import resume
from imtrans.runs.run_dir import RunDir, alone_in
from imtrans.runs.sessions import note_session
from imtrans.runs.state import Position
from imtrans.task import Task
from imtrans.training.alike import check_same_data, start_alike
from imtrans.training.display import display
from imtrans.training.feeding import feed_of
from imtrans.training.listeners import Listeners
from imtrans.training.loop import Loop, Outcome
from imtrans.training.preview import Preview
from imtrans.training.step.engine import Engine, choose_engine
from imtrans.training.step.step import Step, never_trained
from imtrans.training.step.stepper import Stepper
from imtrans.training.step.trial import tried_step
from imtrans.training.validation import Validation
from imtrans.training.warm_start import start_from
from imtrans.translation.translator import Translator

T = TypeVar("T")


def fit(
    task: Task,
    run_dir: Path,
    *,
    device: str | None = None,
    fresh: bool = False,
    console: Console | None = None,
    command: Sequence[str] = (),
    group: Group | None = None,
) -> Outcome:
    """Train a task in its run directory, from its newest checkpoint on if there is one. The
    `command` that was given is noted there. The ranks of a `group` train it together, each by a
    call of its own; rank 0 alone writes, and prints.

    Ends when all epochs are done, or after the step in which SIGINT or SIGTERM arrived, with a
    checkpoint either way. Raises ImtransError for whatever the user can mend.
    """
    group = group or alone()
    deterministic = task.recipe.train.deterministic
    with ExitStack() as stack:
        group.together(lambda: stack.enter_context(alone_in(run_dir)) if group.leads else None)
        stack.enter_context(computing(deterministic=deterministic))
        chosen = group.together(lambda: choose_device(device, group.rank))
        console = (console or Terminal()) if group.leads else Terminal(quiet=True)
        return _Fitting(task, run_dir, chosen, group, console).run(fresh, device, command)


class _Fitting:
    """A session before its first step. What reads or writes files of the run is rank 0's; what can
    fail on a rank is done `together`, so that all of them end."""

    def __init__(
        self, task: Task, run_dir: Path, device: torch.device, group: Group, console: Console
    ) -> None:
        self.task, self.device, self.group, self.console = task, device, group, console
        self.train, self.shown = task.recipe.train, display(console)
        self.background = Background()
        self.run_dir = RunDir(run_dir, task.recipe, background=self.background)

    def run(self, fresh: bool, named: str | None, command: Sequence[str]) -> Outcome:
        task, group = self.task, self.group
        group.together(lambda: task.pairs)
        group.together(lambda: check_same_data(task, group))
        method = group.together(lambda: task.method(self.device))
        loggers = group.together(lambda: task.loggers(self.run_dir.path) if group.leads else {})
        group.first(lambda: self._open(fresh))
        engine = self._engine()
        self.shown.said(self._described(method, engine))
        if group.alone and named is None:
            count = torch.cuda.device_count()
            if note := unused_gpus(self.device, count, command):
                self.shown.said(note)
        step = self._tried(method, engine)
        if idle := never_trained(method, self.train.epochs):
            self.shown.said(idle)
        position = self._continued(step, command)
        sampler = self._sampler(position)
        loop = self._loop(step, position, sampler, loggers)
        with step.engine.convolving():  # validation and previews too
            return loop.run()

    def _open(self, fresh: bool) -> None:
        # Started again after a failure, it continues with what it has begun.
        self.run_dir.claim(fresh=fresh and not is_restart())
        self.run_dir.tidy()

    def _engine(self) -> Engine:
        steps = self.train.epochs * self.task.steps_per_epoch()
        engine = choose_engine(self.train, self.device, steps)
        if self.train.sync_batch_norm and not self.group.alone:
            # What passes between ranks inside a network cannot be compiled with it.
            engine = replace(engine, compiled="")
        return engine

    def _tried(self, method: Method, engine: Engine) -> Step:
        self.group.first(lambda: self._start_from_another(method))

        def tried() -> Step:
            first = self.task.first_batch(self.device)
            return tried_step(method, engine, self.train, first, self.shown.said)

        # What one has compiled the others of its machine find; at once, they spoil each other's.
        return self._one_first(tried) if engine.compiled else self.group.together(tried)

    def _start_from_another(self, method: Method) -> None:
        if self.train.init_from and not self.run_dir.learned():
            start_from(self.train.init_from, method, self.shown.said)

    def _one_first(self, work: Callable[[], T]) -> T:
        """Do something on one rank of each machine, and then on the others there."""
        group = self.group

        def done() -> T:
            with group.watch.patient():
                return work()

        first = group.together(lambda: done() if group.rank.local == 0 else None)
        return group.together(lambda: done() if first is None else first)

    def _continued(self, step: Step, command: Sequence[str]) -> Position:
        """Where the run is, with every rank in its state."""
        run, say, group = self.run_dir, self.shown.said, self.group
        resumed = group.first(lambda: resume(run, step, self.task, say))
        position = start_alike(step, group, resumed, self.task.recipe.seed)
        step.join(group, say)
        group.first(lambda: self._begin(position, command))
        return position

    def _begin(self, position: Position, command: Sequence[str]) -> None:
        self.run_dir.begin()
        note_session(self.run_dir.path, position.step, self.device, command, self.group.rank.of)

    def _sampler(self, position: Position) -> Sampler:
        """Reads from a cache, where one is there or repaid by so many passes over the data."""
        task, passes = self.task, self.train.epochs - position.epoch + 1
        report, bar = partial(say, self.console), partial(progress, self.console)

        def cached() -> Sampler:
            cache = obtain(task.sampler, task.pairs, passes=passes, say=report, bar=bar)
            return task.sampler.reading(cache)

        return self._one_first(cached)

    def _loop(
        self, step: Step, position: Position, sampler: Sampler, loggers: dict[str, Listener]
    ) -> Loop:
        task, run, shown, group = self.task, self.run_dir, self.shown, self.group
        translators = _translators(task, step)
        generator = translators["generator"]
        validation = group.together(lambda: Validation(task, generator, group))
        preview = group.together(lambda: Preview(task, translators) if group.leads else None)
        if group.leads:
            higher = {name: bool(one.higher_is_better) for name, one in validation.metrics.items()}
            shown.recall(run.journal.past(position.step), higher, position.best.step)
        return Loop(
            task,
            Stepper(step, shown.said, self.background.wait),
            feed_of(task, sampler, step.engine, group, shown.said),
            preview,
            validation,
            run,
            position,
            Listeners([run.journal, shown] if group.leads else [], loggers),
            self.background,
            group,
        )

    def _described(self, method: Method, engine: Engine) -> str:
        task, ranks = self.task, self.group.rank.of
        where = f"{ranks} processes, the first on {self.device}" if ranks > 1 else f"{self.device}"
        return (
            f"{len(task.pairs)} {task.unit}, {len(task.validation_pairs)} for validation; "
            f"{_parameters(method)} parameters; {where}, {engine}; {self.run_dir.path}"
        )


def unused_gpus(device: torch.device, count: int, command: Sequence[str]) -> str | None:
    """What says that more of `count` GPUs than the one in use could train, and by which command."""
    if device.type != "cuda" or count < 2:
        return None
    rest = shlex.join(command[1:]) if len(command) > 1 else "train RECIPE"
    return (
        f"note: {count} GPUs are here, and one is used. all of them: torchrun --nproc-per-node "
        f"{count} -m imtrans {rest}"
    )


def _translators(task: Task, step: Step) -> dict[str, Translator]:
    return {
        name: Translator(
            module,
            task.encoding_of(name),
            device=step.device,
            precision=step.engine.precision,
            scale=task.scale_of(name),
        )
        for name, module in step.translating.items()
    }


def _parameters(method: Method) -> str:
    """`generator 54.4 M, discriminator 10 k`"""
    counts = (f"{name} {_count(network)}" for name, network in method.networks().items())
    return ", ".join(counts)


def _count(network: nn.Module) -> str:
    count = sum(parameter.numel() for parameter in network.parameters())
    if count < 1000:
        return str(count)
    return f"{count / 1e6:.1f} M" if count >= 100_000 else f"{count / 1e3:.0f} k"
