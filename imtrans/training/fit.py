"""From a recipe to a training: everything it needs, in the order in which it can fail."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from imtrans.api.method import Method
from imtrans.data.cache.obtain import obtain
from imtrans.data.samples import Sampler
from imtrans.host.background import Background
from imtrans.host.devices import choose_device, computing
from imtrans.host.terminal import Terminal, progress, say
from imtrans.runs.run_dir import RunDir, alone_in
from imtrans.runs.sessions import note_session
from imtrans.runs.state import resume
from imtrans.task import Task
from imtrans.training.display import display
from imtrans.training.feeding import feed_of
from imtrans.training.listeners import Listeners
from imtrans.training.loop import Loop, Outcome
from imtrans.training.preview import Preview
from imtrans.training.step.engine import choose_engine
from imtrans.training.step.step import Step
from imtrans.training.step.stepper import Stepper
from imtrans.training.step.trial import tried_step
from imtrans.training.validation import Validation
from imtrans.training.warm_start import start_from
from imtrans.translation.translator import Translator


def fit(
    task: Task,
    run_dir: Path,
    *,
    device: str | None = None,
    fresh: bool = False,
    console: Console | None = None,
    command: Sequence[str] = (),
) -> Outcome:
    """Train a task in its run directory, from its newest checkpoint on if there is one. The
    `command` that was given is noted there.

    Ends when all epochs are done, or after the step in which SIGINT or SIGTERM arrived, with a
    checkpoint either way. Raises ImtransError for whatever the user can mend.
    """
    deterministic = task.recipe.train.deterministic
    with alone_in(run_dir), computing(deterministic=deterministic):
        chosen = choose_device(device)
        return _fit(task, run_dir, chosen, fresh, console or Terminal(), command)


def _fit(
    task: Task,
    run_dir: Path,
    device: torch.device,
    fresh: bool,
    console: Console,
    command: Sequence[str],
) -> Outcome:
    train, shown = task.recipe.train, display(console)
    method = task.method(device)
    per_epoch = task.steps_per_epoch()
    engine = choose_engine(train, device, train.epochs * per_epoch)
    loggers = task.loggers(run_dir)
    background = Background()
    run = RunDir(run_dir, task.recipe, fresh=fresh, background=background)
    run.tidy()
    shown.said(
        f"{len(task.pairs)} {task.unit}, {len(task.validation_pairs)} for validation; "
        f"{_parameters(method)} parameters; {device}, {engine}; {run_dir}"
    )
    if train.init_from and not run.learned():
        start_from(train.init_from, method, shown.said)
    step = tried_step(method, engine, train, task.first_batch(device), shown.said)
    position = resume(run, step, task, per_epoch, shown.said)
    run.begin()
    note_session(run.path, position.step, device, command)
    sampler = _sampler(task, train.epochs - position.epoch + 1, console)
    translators = _translators(task, step)
    validation = Validation(task, translators["generator"])
    higher = {name: bool(one.higher_is_better) for name, one in validation.metrics.items()}
    shown.recall(run.journal.past(position.step), higher, position.best.step)
    loop = Loop(
        task,
        Stepper(step, shown.said, background.wait),
        feed_of(task, sampler, step.engine, shown.said),
        Preview(task, translators),
        validation,
        run,
        position,
        Listeners([run.journal, shown], loggers),
        background,
    )
    with step.engine.convolving():  # validation and previews too
        return loop.run()


def _sampler(task: Task, passes: int, console: Console) -> Sampler:
    """Reads from a cache, where one is there or repaid by so many passes over the data."""
    report, bar = partial(say, console), partial(progress, console)
    cache = obtain(task.sampler, task.pairs, passes=passes, say=report, bar=bar)
    return task.sampler.reading(cache)


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
