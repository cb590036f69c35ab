"""The runs of a comparison, and the names by which a page calls them."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.evaluation.comparison import ComparedSide, Comparison
from imtrans.evaluation.files import Evaluated
from imtrans.host.words import plain
from imtrans.recipe import reading as recipes
from imtrans.recipe.schema import Recipe
from imtrans.reporting.evaluated import FOLDER
from imtrans.runs.listing import is_run


@dataclass(frozen=True)
class ComparedRun:
    """One evaluation of a side, with the run that it is of; folders of images have none."""

    side: str
    label: str  # unique among the runs of a comparison
    evaluated: Evaluated
    path: Path | None
    recipe: Recipe | None


def with_short_names(comparison: Comparison) -> Comparison:
    """The same comparison, its sides named by the ends of their paths; no two names are equal."""
    names = _unique([plain(name) for name in short([side.name for side in comparison.sides])])
    sides = [replace(side, name=n) for side, n in zip(comparison.sides, names, strict=True)]
    return replace(comparison, sides=sides)


def short(names: Sequence[str]) -> list[str]:
    """The last parts of some paths, as few as tell them apart: `runs/one`, `runs/other` are `one`,
    `other`. What is inside a run has the name of that."""
    paths = [Path(name) for name in names]
    for count in range(1, max(len(path.parts) for path in paths) + 1):
        ends = [str(Path(*path.parts[-max(count, _fewest(path)) :])) for path in paths]
        if len(set(ends)) == len(ends):
            return ends
    return list(names)


def _fewest(path: Path) -> int:
    """How many parts a name has: RUN/evaluation/SPLIT says little without its beginning."""
    return 3 if path.parent.name == FOLDER else 1


def _unique(names: Sequence[str]) -> list[str]:
    """A number after each name that is there more than once."""
    often, seen = Counter(names), Counter[str]()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if often[name] == 1 else f"{name} ({seen[name]})")
    return found


def runs_of(sides: Sequence[ComparedSide]) -> list[ComparedRun]:
    """Every run of every side, in their order. Seeds of a side are told apart by their labels."""
    found = [
        (side, evaluated, *_run(evaluated)) for side in sides for evaluated in side.evaluations
    ]
    labels = _unique([_label(side, path, recipe) for side, _, path, recipe in found])
    return [
        ComparedRun(side.name, label, evaluated, path, recipe)
        for label, (side, evaluated, path, recipe) in zip(labels, found, strict=True)
    ]


def _label(side: ComparedSide, path: Path | None, recipe: Recipe | None) -> str:
    if side.seeds == 1:
        return side.name
    if recipe:
        return f"{side.name}, seed {recipe.seed}"
    return f"{side.name}, {plain(path.name)}" if path else side.name


def _run(evaluated: Evaluated) -> tuple[Path | None, Recipe | None]:
    """The run that an evaluation is in, and its recipe where that can be read."""
    folder = evaluated.folder.resolve().parent
    run = folder.parent
    if folder.name != FOLDER or not is_run(run):
        return None, None
    with suppress(ImtransError, OSError, ValueError):
        return run, recipes.read(run / "recipe.toml", old=True)
    return run, None
