"""The runs that are to be compared, with their evaluations; those of one recipe are one side."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.evaluation import files
from imtrans.evaluation.comparison import ComparedSide
from imtrans.evaluation.files import METRICS, Evaluated
from imtrans.evaluation.of_run import evaluate_run, evaluation_folder
from imtrans.evaluation.wanted import Bar, Say, Wanted
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog
from imtrans.runs.listing import find_run, is_run, newest_whole
from imtrans.runs.run_dir import binding


def sides_of(
    places: Sequence[Path],
    catalog: Catalog,
    *,
    split: str,
    device: str | None = None,
    say: Say,
    bar: Bar,
) -> list[ComparedSide]:
    """What is compared: runs, or folders of evaluations, in their order. Runs that differ by their
    seed alone are one side. A run that was not evaluated is evaluated now.

    Raises ImtransError where something is neither, or cannot be evaluated.
    """
    groups: dict[str, list[tuple[Path, Evaluated]]] = {}
    for place in dict.fromkeys(places):
        run, folder = _found(place, split)
        if run and not (folder / METRICS).is_file():
            say(f"{run}: was not evaluated yet")
            wanted = Wanted(split=None if split == "validation" else split, device=device)
            evaluate_run(run, wanted, catalog, say=say, bar=bar)
        evaluated = files.read(folder, catalog)
        if run:
            _remark(run, evaluated, say)
        groups.setdefault(_recipe(run, place), []).append((place, evaluated))
    return [_side(group) for group in groups.values()]


def _found(place: Path, split: str) -> tuple[Path | None, Path]:
    """A run and the folder of its evaluation; or such a folder alone."""
    if (place / METRICS).is_file():
        return None, place
    run = find_run(place)
    if run is None or not is_run(run):
        raise ImtransError(
            f"{place}: neither a run nor a folder that `imtrans evaluate` wrote"
            if place.exists()
            else f"{place}: no such run"
        )
    return run, evaluation_folder(run, split)


def _remark(run: Path, evaluated: Evaluated, say: Say) -> None:
    """Say so where a run has learned more since it was evaluated."""
    newest, step = newest_whole(run), evaluated.facts.get("step")
    if newest and isinstance(step, int) and newest.step > step:
        say(
            f"{run}: was evaluated at step {step}, and is at step {newest.step} now; "
            f"`imtrans evaluate --checkpoint {run}` measures it again"
        )


def _recipe(run: Path | None, place: Path) -> str:
    """Equal for runs that differ by their seed alone."""
    if run:
        with suppress(ImtransError, OSError, ValueError):
            recipe = recipes.read(run / "recipe.toml", old=True)
            return json.dumps(binding(recipe.model_copy(update={"seed": 0})), sort_keys=True)
    return f"evaluation {place.resolve()}"


def _side(group: Sequence[tuple[Path, Evaluated]]) -> ComparedSide:
    names = [str(place) for place, _ in group]
    shared = os.path.commonprefix(names).rstrip("-_. ") if len(names) > 1 else names[0]
    return ComparedSide(shared or names[0], [evaluated for _, evaluated in group])
