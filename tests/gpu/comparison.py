"""Variants of the engine in turns: whether they compute the same, and how fast."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from driving import Driven, drive
from kernels import kernels_of
from torch import Tensor
from variants import REFERENCE
from work import Work

from imtrans.benchmark.rounds import Spread, in_turns, ratio
from imtrans.recipe.schema import Recipe
from imtrans.training.step.engine import Engine

STEPS = 3  # that are compared with the reference's
# Relative, of each loss. Adam's first steps follow the signs of gradients, which rounding to bf16
# turns here and there; what is broken differs by far more.
APART = {"fp32": 1e-3, "bf16": 0.1}
ROUNDS, LEAST, WARM_UP = 7, 0.3, 30
Engines = Mapping[str, Engine]


@dataclass(frozen=True)
class Measured:
    """A variant's time (ms per step), and where it goes."""

    engine: str
    ms: Spread
    rounds: list[float]  # ms
    nodes: float  # kernels, copies and fills in a step
    kernel_us: float  # sum of their times
    idle: float | None  # share of a step in which the device waits
    groups: dict[str, float]  # us by kind of kernel
    peak_gb: float | None
    start: float  # s
    notes: list[str]


def compare(
    work: Work, recipe: Recipe, engines: Engines, *, reserve: float, check: bool = True
) -> dict[str, Any]:
    """Each variant that is there and (with `check`) computes what the reference does, in turns;
    `dropped` says why the others are not. The last `reserve` seconds of the part are kept for what
    comes after the start of the variants. Raises what the reference fails with.
    """
    found: dict[str, Any] = {"variants": {}, "dropped": {}, "tracebacks": {}}
    running: dict[str, Driven] = {}
    expected: tuple[Tensor, Engine] | None = None
    for name, engine in _reference_first(engines):
        if running and work.left() < reserve:
            found["dropped"][name] = "no time was left"
        else:
            work.say(f"{name}: {engine}")
            try:
                if check:
                    losses = _first_losses(recipe, engine)
                    expected = expected or (losses, engine)
                    if why := _differs(losses, engine, *expected):
                        found["dropped"][name] = why
                        continue
                running[name] = drive(recipe, engine)
            except Exception as error:  # a variant that fails does not stop the others
                if not running:
                    raise
                found["dropped"][name] = _one_line(error)
                found["tracebacks"][name] = traceback.format_exc()
    for name, why in found["dropped"].items():
        work.say(f"{name} dropped: {why}")
    found["variants"] = _timed(work, running, engines) if running else {}
    return found


def _reference_first(engines: Engines) -> list[tuple[str, Engine]]:
    return sorted(engines.items(), key=lambda row: row[0] != REFERENCE)


def _first_losses(recipe: Recipe, engine: Engine) -> Tensor:
    """The losses of the first steps, (steps, losses); without dropout, whose noise a compiler
    draws otherwise."""
    table = recipe.generator.model_copy(update={"dropout": 0.0})
    driven = drive_fresh(recipe.model_copy(update={"generator": table}), engine)
    rows = [torch.stack(list(losses.values())).float() for losses in driven]
    return torch.stack(rows).cpu()


def drive_fresh(recipe: Recipe, engine: Engine) -> list[dict[str, Tensor]]:
    """The losses of `STEPS` steps, after the one in which a variant is built."""
    driven = drive(recipe, replace(engine, launch=1))
    return [driven.step() for _ in range(STEPS)]


def _differs(found: Tensor, engine: Engine, expected: Tensor, other: Engine) -> str | None:
    apart = ((found - expected).abs() / expected.abs().clamp_min(1e-6)).max().item()
    allowed = max(APART[each.precision] for each in (engine, other))
    if apart <= allowed:
        return None
    return f"its losses differ by {apart:.2g}, and {allowed:g} are allowed"


def _timed(work: Work, running: Mapping[str, Driven], engines: Engines) -> dict[str, Measured]:
    for driven in running.values():
        for _ in range(2 if work.smoke else WARM_UP):
            driven.step()
    steps: dict[str, Callable[[], object]] = {name: d.step for name, d in running.items()}
    rounds, least = (2, 0.0) if work.smoke else (ROUNDS, LEAST)
    seconds = in_turns(steps, rounds, work.wait, least)
    return {
        name: _measured(work, running[name], engines[name], seconds[name])
        for name in engines
        if name in running
    }


def _measured(work: Work, driven: Driven, engine: Any, seconds: Sequence[float]) -> Measured:
    kernels = kernels_of(driven.step, work.device, 1 if work.smoke else 5)
    rounds = [each * 1e3 / driven.count for each in seconds]
    ms, kernel_us = Spread.of(rounds), kernels.us / driven.count
    seen = work.device.type == "cuda" and kernel_us > 0
    idle = 1 - kernel_us / 1e3 / ms.median if seen else None
    return Measured(
        engine=str(engine),
        ms=ms,
        rounds=rounds,
        nodes=kernels.count / driven.count,
        kernel_us=kernel_us,
        idle=None if idle is None else max(idle, 0.0),
        groups=kernels.groups,
        peak_gb=driven.peak and driven.peak / 1e9,
        start=driven.start,
        notes=driven.notes,
    )


def ratio_of(slower: Measured, faster: Measured) -> Spread:
    """How many times faster one is, round by round."""
    return ratio(slower.rounds, faster.rounds)


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
