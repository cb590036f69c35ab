"""The runs that are to be compared, with their evaluations; those of one recipe are one side."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.evaluation import files
from imtrans.evaluation.comparison import ComparedSide
from imtrans.evaluation.files import METRICS, Evaluated
from imtrans.evaluation.of_run import VALIDATION, evaluate_run, evaluation_folder
from imtrans.evaluation.wanted import Bar, Say, Wanted
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog
from imtrans.runs.listing import find_run, is_run, newest_whole
from imtrans.runs.run_dir import binding
from imtrans.runs.sealed import SUM
from imtrans.translation.loading import header_to_load


def sides_of(
    named: Sequence[Path],
    catalog: Catalog,
    *,
    split: str,
    device: str | None = None,
    say: Say,
    bar: Bar,
) -> list[ComparedSide]:
    """What is compared: runs, or folders of evaluations, in their order. Runs that differ by their
    seed alone are one side. A run that was not evaluated is evaluated now.

    Raises ImtransError where something is neither, where there is one side only, or where a run
    cannot be evaluated.
    """
    groups: dict[str, list[NamedEvaluation]] = {}
    for one in dict.fromkeys(named):
        place = _found(one, split)
        groups.setdefault(_recipe(place), []).append(place)
    if len(groups) < 2:
        raise ImtransError(
            "name two runs or more that differ by more than their seed: imtrans compare runs/one "
            "runs/other"
        )
    wanted = Wanted(split=None if split == VALIDATION else split, device=device)
    return [
        _side([(place.named, _evaluated(place, wanted, catalog, say, bar)) for place in group])
        for group in groups.values()
    ]


@dataclass(frozen=True)
class NamedEvaluation:
    """What was named: a run and the folder of its evaluation, or such a folder alone."""

    named: Path
    folder: Path
    run: Path | None = None


def _found(named: Path, split: str) -> NamedEvaluation:
    if (named / METRICS).is_file():
        return NamedEvaluation(named, named)
    run = find_run(named)
    if run is None or not is_run(run):
        what = "neither a run nor a folder that `imtrans evaluate` wrote"
        raise ImtransError(f"{named}: {what if named.exists() else 'no such run'}")
    return NamedEvaluation(named, evaluation_folder(run, split), run)


def _evaluated(
    place: NamedEvaluation, wanted: Wanted, catalog: Catalog, say: Say, bar: Bar
) -> Evaluated:
    if place.run is None:
        return files.read(place.folder, catalog)
    if not (place.folder / METRICS).is_file():
        say(f"{place.run}: was not evaluated yet")
        evaluate_run(place.run, wanted, catalog, say=say, bar=bar)
    evaluated = files.read(place.folder, catalog)
    _remark(place.run, evaluated, say)
    return evaluated


def evaluation_of(run: Path, catalog: Catalog, *, best: bool = False) -> Evaluated | None:
    """The evaluation of a run's newest or best weights on its validation pairs, if it is there.
    Raises ImtransError where the run has no such weights."""
    weights = header_to_load(run, best, "generator").facts.get(SUM)
    with suppress(ImtransError):
        there = files.read(evaluation_folder(run, VALIDATION), catalog)
        return there if there.facts.get("weights") == weights else None
    return None


def _remark(run: Path, evaluated: Evaluated, say: Say) -> None:
    """Say so where a run has learned more since it was evaluated, or was evaluated otherwise."""
    if settings := evaluated.facts.get("set"):
        say(f"{run}: was evaluated with --set {' '.join(map(str, settings))}")
    newest, step = newest_whole(run), evaluated.facts.get("step")
    if newest and isinstance(step, int) and newest.step > step:
        say(
            f"{run}: was evaluated at step {step}, and is at step {newest.step} now; "
            f"`imtrans evaluate --checkpoint {run}` measures it again"
        )


def _recipe(place: NamedEvaluation) -> str:
    """Equal for runs that differ by their seed alone."""
    if place.run:
        with suppress(ImtransError, OSError, ValueError):
            recipe = recipes.read(place.run / "recipe.toml", old=True)
            return json.dumps(binding(recipe.model_copy(update={"seed": 0})), sort_keys=True)
    return f"evaluation {place.folder.resolve()}"


def _side(group: Sequence[tuple[Path, Evaluated]]) -> ComparedSide:
    names = [str(place) for place, _ in group]
    shared = os.path.commonprefix(names).rstrip("-_. ") if len(names) > 1 else names[0]
    return ComparedSide(shared or names[0], [evaluated for _, evaluated in group])
