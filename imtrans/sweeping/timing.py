"""What a step of one recipe takes, beside that of another."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter, process_time

import torch

from imtrans.benchmark.own_process import NoMemory, in_own_process
from imtrans.benchmark.rounds import in_turns, ratio
from imtrans.benchmark.subject import Subject, build, waiting_for
from imtrans.host.devices import computing
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import Recipe
from imtrans.task import Task
from imtrans.training.step.engine import choose_engine
from imtrans.training.step.step import first_epochs

ROUNDS = 15


@dataclass(frozen=True)
class StepTime:
    """Of a variant's step: seconds, those of the first variant beside it, and how many times as
    long it takes, with the shortest and the longest round."""

    seconds: float
    beside: float
    times: float
    low: float
    high: float


def step_time(recipe: Recipe, first: Recipe, steps: Sequence[int], device: str) -> StepTime:
    """Both timed in turns, in a process of their own; where both do not fit into memory together,
    one after the other. `steps` are those of their whole trainings. Raises ImtransError, or
    RuntimeError for whatever else a step raises."""
    both = (first, recipe)
    try:
        if any(one.train.compile is True for one in both):
            raise NoMemory("compiled one after the other, they would spoil each other's kernels")
        beside, own = in_own_process(_seconds, both, steps, device)
    except NoMemory:
        beside, own = (
            in_own_process(_seconds, (one,), (count,), device)[0]
            for one, count in zip(both, steps, strict=True)
        )
    spread = ratio(own, beside)
    return StepTime(median(own), median(beside), spread.median, spread.low, spread.high)


def _seconds(recipes: Sequence[Recipe], steps: Sequence[int], device: str) -> list[list[float]]:
    """Seconds a step of each recipe in each round, on noise."""
    chosen = torch.device(device)
    deterministic = any(recipe.train.deterministic for recipe in recipes)
    with ExitStack() as stack:
        stack.enter_context(computing(deterministic=deterministic))
        subjects = [
            build(Task(recipe, catalog()), choose_engine(recipe.train, chosen, count), _quietly)
            for recipe, count in zip(recipes, steps, strict=True)
        ]
        return _in_stages(subjects, chosen)


def _in_stages(subjects: Sequence[Subject], device: torch.device) -> list[list[float]]:
    """Of a method whose phases change with the epochs, what a step takes on the average."""
    epochs = [subject.task.recipe.train.epochs for subject in subjects]
    stages = [
        first_epochs(subject.stepper.step.method, count)
        for subject, count in zip(subjects, epochs, strict=True)
    ]
    totals = [[0.0] * ROUNDS for _ in subjects]
    for number in range(max(map(len, stages))):
        calls = {}
        for index, (subject, firsts) in enumerate(zip(subjects, stages, strict=True)):
            if len(firsts) > 1:
                subject.stepper.begin_epoch(firsts[min(number, len(firsts) - 1)])
            calls[str(index)] = partial(_step, subject)
        found = in_turns(calls, ROUNDS, waiting_for(device), clock=_clock(device))
        for index, (firsts, count) in enumerate(zip(stages, epochs, strict=True)):
            ends = [*(first - 1 for first in firsts[1:]), count]
            if number < len(firsts):
                share = (ends[number] - firsts[number] + 1) / count
                totals[index] = [
                    total + share * seconds
                    for total, seconds in zip(totals[index], found[str(index)], strict=True)
                ]
    return totals


def _clock(device: torch.device) -> Callable[[], float]:
    """On a CPU what this process computes: other programs on it are none of a variant's costs."""
    return process_time if device.type == "cpu" else perf_counter


def _step(subject: Subject) -> None:
    with subject.engine.convolving():
        subject.step()


def _quietly(line: str) -> None:
    """Training will say it."""
