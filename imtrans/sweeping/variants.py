"""The recipes of a sweep's variants, checked before the first of them trains."""

from collections.abc import Callable, Collection, Iterator, Mapping

from imtrans.api.errors import ImtransError, quoted
from imtrans.checking.recipe import check
from imtrans.evaluation.choice import MetricChoice
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.overrides import Override
from imtrans.recipe.reading import RecipeProblems
from imtrans.recipe.schema import Recipe
from imtrans.sweeping.file import SweepFile, SweepVariant
from imtrans.task import Task

FEWEST = 2  # validation pairs, for anything to be compared


def resolved(file: SweepFile, catalog: Catalog) -> dict[str, Recipe]:
    """The recipe of each variant that can be read, with the first seed. What is wrong with others
    is among the file's problems."""
    found: dict[str, Recipe] = {}
    for variant in file.variants:
        try:
            recipe = recipes.read(variant.recipe, variant.with_seed(file.seeds[0]), catalog)
        except ImtransError as error:
            _note(error, variant, file)
            continue
        if same := next((name for name, other in found.items() if other == recipe), None):
            what = f"variants.{variant.name}: the same recipe as '{same}'"
            file.problems.add(variant.line, what)
        found[variant.name] = recipe
        _check_measuring(variant, file, catalog)
    return found


def _check_measuring(variant: SweepVariant, file: SweepFile, catalog: Catalog) -> None:
    """What [evaluate] changes in a recipe is found wrong before hours of training, not after."""
    changed = map(Override.of, MetricChoice(catalog).set(file.evaluate))
    try:
        recipes.read(variant.recipe, (*variant.with_seed(file.seeds[0]), *changed), catalog)
    except ImtransError as error:
        rows = error.rows if isinstance(error, RecipeProblems) else [_row(error)]
        for _, what in rows:
            file.problems.add_of(variant.name, variant.recipe_line, f"[evaluate] {what}")


def _note(error: ImtransError, variant: SweepVariant, file: SweepFile) -> None:
    """What is wrong with a variant: at the line of its own key, or where its recipe is named."""
    problems, own = file.problems, {one.place: _line(one.place) for one in variant.overrides}
    shared = set.intersection(*({one.place for one in v.overrides} for v in file.variants))
    rows = error.rows if isinstance(error, RecipeProblems) else [_row(error)]
    for place, what in rows:
        if place not in own:
            origin = f"{error.origin} " if isinstance(error, RecipeProblems) else ""
            said = ": ".join(part for part in (f"{origin}{place}", what) if part)
            problems.add_of(variant.name, variant.recipe_line, said)
        else:
            whose = "" if place in shared else f"variants.{variant.name}: "
            problems.add(own[place], f"{whose}{what}")


def _row(error: ImtransError) -> tuple[str, str]:
    """The place that an error begins with, and the rest."""
    place, _, what = str(error).partition(": ")
    return place, what


def _line(place: str) -> str:
    """`line 12` of a key in the sweep's file; what comes of an option stays as it is."""
    return place.rpartition(", ")[2] if not place.startswith("--") else place


def check_variants(
    file: SweepFile,
    tasks: Mapping[str, Task],
    untried: Collection[str],
    device: str,
    say: Callable[[str], None],
) -> None:
    """Find the data of all variants, and try a step of those `untried` if nothing is wrong so far.
    What is wrong is among the file's problems; what training would warn of is said once."""
    problems = file.problems
    names: dict[str, set[str]] = {}
    for variant in _known(file, tasks):
        for what in _wrong_data(tasks[variant.name], file):
            problems.add_of(variant.name, variant.recipe_line, what)
        if not problems:
            names[variant.name] = {pair.name for pair in tasks[variant.name].validation_pairs}
    _check_that_they_compare(file, names)
    remarks: dict[str, list[str]] = {}
    for variant in () if problems else _known(file, tasks):
        findings = check(tasks[variant.name], device) if variant.name in untried else ()
        for finding in findings:
            if finding.severity == "error":
                problems.add_of(variant.name, variant.line, finding.message)
            elif finding.severity == "warning":
                remarks.setdefault(finding.message, []).append(variant.name)
    for text, those in remarks.items():
        say(text if len(those) == len(file.variants) else f"{quoted(those)}: {text}")


def _known(file: SweepFile, tasks: Mapping[str, Task]) -> list[SweepVariant]:
    return [variant for variant in file.variants if variant.name in tasks]


def _wrong_data(task: Task, file: SweepFile) -> Iterator[str]:
    try:
        count = len(task.validation_pairs)
    except ImtransError as error:
        yield str(error)
        return
    share = task.recipe.data.validation
    if isinstance(share, float) and len(file.seeds) > 1:
        yield (
            f"data.validation = {share} is drawn from the seed, so that each seed would be "
            "measured on other pairs; name a split or a list of names instead"
        )
    elif count < FEWEST:
        yield (
            f"{task.recipe.data.root}: {count} validation pairs are too few to compare anything; "
            "name a split that has more, as data.validation"
        )


def _check_that_they_compare(file: SweepFile, names: Mapping[str, set[str]]) -> None:
    first, *others = file.variants
    for one in others:
        both = [names[name] for name in (first.name, one.name) if name in names]
        if len(both) == 2 and len(set.intersection(*both)) < FEWEST:
            file.problems.add(
                one.line,
                f"variants.{one.name}: its validation pairs are others than those of "
                f"'{first.name}', so that nothing could be compared; leave its data.root and "
                "data.validation as they are",
            )
