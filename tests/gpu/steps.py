"""Part `steps`: the variants of the engine at batch 1, and which changes are worth keeping."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from comparison import LEAST, ROUNDS, Measured, compare, ratio_of
from driving import drive, reread
from pairs import recipe_of
from report import spread, table
from variants import (
    GAIN,
    LAYOUT,
    REFERENCE,
    TUNINGS,
    VARIANTS,
    changed,
    engine_of,
    is_worth_it,
)
from work import PutOff, Work

from imtrans.benchmark.own_process import in_own_process
from imtrans.benchmark.rounds import Spread, in_turns
from imtrans.benchmark.subject import waiting_for
from imtrans.host.devices import computing
from imtrans.recipe.reading import dumps
from imtrans.recipe.schema import Recipe
from imtrans.training.step.engine import Engine

RESERVE = 0.3  # share of the part's time, in which no variant is started
PASSES = 2  # over the tunings, so that a machine that warms up shows


def measure(work: Work) -> None:
    recipe = recipe_of(work)
    engines = engines_of(work, recipe, VARIANTS)
    with computing(deterministic=False):
        work.take({"variants": partial(_variants, work, recipe, engines)})
        found = work.results.parts[work.part]["results"].get("variants")
        if not found or not found["variants"]:
            return
        best = _best(found["variants"])
        engine = engines[best]
        work.take(
            {
                "layout": partial(_layout, work, recipe, best, engine),
                "tuning": partial(_tuning, work, recipe, best, engine),
            }
        )


def engines_of(work: Work, recipe: Recipe, names: Iterable[str]) -> dict[str, Engine]:
    """The engines of variants; in miniature, those that need no compiler."""
    found = {name: engine_of(name, recipe.train, work.device) for name in names}
    if not work.smoke:
        return found
    return {name: each for name, each in found.items() if not each.compiled}


def _variants(work: Work, recipe: Recipe, engines: Mapping[str, Any]) -> dict[str, Any]:
    found = compare(work, recipe, engines, reserve=RESERVE * work.seconds)
    for name, why in found["dropped"].items():
        work.leave_out(f"{name}: {why}")
    return {**found, "ratios": _ratios(found["variants"])}


def _ratios(found: Mapping[str, Measured]) -> dict[str, Any]:
    """Of each variant to the reference, and to its base: above 1 it is faster."""
    rows: dict[str, Any] = {}
    for name, measured in found.items():
        base = VARIANTS[name].base
        rows[name] = {"over": base}
        if REFERENCE in found:
            rows[name]["to reference"] = ratio_of(found[REFERENCE], measured)
        if base in found:
            rows[name]["to base"] = ratio_of(found[base], measured)
    return rows


def _best(found: Mapping[str, Any]) -> str:
    return min(found, key=lambda name: found[name]["ms"]["median"])


def _layout(work: Work, recipe: Recipe, best: str, engine: Engine) -> dict[str, Any]:
    """V13: the best variant in the other memory format, in turns with it."""
    other = changed(engine, LAYOUT.fields)
    found = compare(work, recipe, {best: engine, "V13": other}, reserve=0.0, check=False)
    both = found["variants"]
    ratios = ratio_of(both[best], both["V13"]) if len(both) == 2 else None
    return {**found, "best": best, "ratio": ratios}


def _tuning(work: Work, recipe: Recipe, best: str, engine: Engine) -> dict[str, Any]:
    """V12: the best variant with each choice of convolutions; ms per step."""
    path = work.out / "steps.toml"
    path.write_text(dumps(recipe), encoding="utf-8")
    call = tuned if work.smoke else partial(in_own_process, tuned)
    rounds: dict[str, list[float]] = {name: [] for name in TUNINGS}
    for _ in range(1 if work.smoke else PASSES):
        for name, tuning in TUNINGS.items():
            if work.left() <= 0:
                raise PutOff("V12")
            work.say(f"{name}: {tuning.reason}")
            tried = changed(engine, {"tuning": tuning.limit})
            rounds[name] += call(path, tried, work.smoke)
    return {"best": best, "ms": {name: Spread.of(row).scaled(1e3) for name, row in rounds.items()}}


def tuned(path: Path, engine: Engine, smoke: bool) -> list[float]:
    """Seconds per step in each round, of one engine alone."""
    recipe = reread(path)
    with computing(deterministic=False):
        driven = drive(recipe, engine)
        rounds, least = (2, 0.0) if smoke else (ROUNDS, LEAST)
        calls = {"step": driven.step}
        rows = in_turns(calls, rounds, waiting_for(engine.device), least)["step"]
        return [seconds / driven.count for seconds in rows]


def lines(results: dict[str, Any]) -> Iterator[str]:
    if found := results.get("variants"):
        yield from rows_of(found)
        yield ""
        yield from _decisions(found)
    if (layout := results.get("layout")) and layout["ratio"]:
        yield f"- V13, {layout['best']} in NCHW: {_decided(layout['ratio'])}"
    if tuning := results.get("tuning"):
        yield f"- V12, {tuning['best']} by cuDNN's choice of algorithms, each in a process of its"
        yield "  own, ms: " + _each(tuning["ms"])


def rows_of(found: dict[str, Any]) -> list[str]:
    """The table of variants."""
    heading = ("variant", "engine", "ms a step", "nodes", "kernels, ms", "idle", "peak GB")
    heading += ("start, s", f"times {REFERENCE}", "times its base")
    rows = []
    for name, one in found["variants"].items():
        ratios = found.get("ratios", {}).get(name, {})
        idle = None if one["idle"] is None else f"{one['idle']:.0%}"
        base = ratios.get("to base")
        shown = f"{ratios['over']}: {spread(base)}" if base else None
        measured = (one["ms"], one["nodes"], one["kernel_us"] / 1e3, idle, one["peak_gb"])
        compared = (ratios.get("to reference"), shown)
        rows.append((name, one["engine"], *measured, one["start"], *compared))
    notes = [f"- {name}: {note}" for name, v in found["variants"].items() for note in v["notes"]]
    return [*table(heading, rows), "", *notes]


def _decisions(found: dict[str, Any]) -> Iterator[str]:
    """By the rule: a change is kept only where it gains more than noise in every round."""
    yield f"A change is kept if its ratio to its base was above {GAIN} in every round:"
    yield ""
    for name, ratios in found["ratios"].items():
        if base := ratios.get("to base"):
            yield f"- {name} ({VARIANTS[name].reason}), over {ratios['over']}: {_decided(base)}"
    fastest = _best(found["variants"])
    yield f"- fastest: {fastest}, {spread(found['variants'][fastest]['ms'])} ms a step"


def _decided(ratios: dict[str, float]) -> str:
    return f"**{'keep' if is_worth_it(ratios) else 'leave out'}**, {spread(ratios)}"


def _each(ms: dict[str, Any]) -> str:
    return "; ".join(f"{name} {spread(value)}" for name, value in ms.items())
