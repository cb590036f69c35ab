"""The recipes of a sweep's variants, checked before the first of them trains."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from imtrans.api.errors import ImtransError, quoted
from imtrans.checking.recipe import check
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.reading import RecipeProblems
from imtrans.recipe.schema import Recipe
from imtrans.sweeping.file import Rows, SweepFile, Variant
from imtrans.task import Task

FEWEST = 2  # validation pairs, for anything to be compared


def resolved(file: SweepFile, catalog: Catalog) -> dict[str, Recipe]:
    """The recipe of each variant, with the first seed. Raises ImtransError with what is wrong with
    any of them: what is wrong with all is said once."""
    found: dict[str, Recipe] = {}
    rows: list[tuple[str, str, str]] = []
    for variant in file.variants:
        try:
            found[variant.name] = read_variant(variant, file.seeds[0], catalog)
        except ImtransError as error:
            rows += ((line, what, variant.name) for line, what in _rows(variant, error))
    if rows:
        raise ImtransError(recipes.report(str(file.path), _together(rows, len(file.variants))))
    if same := [*_alike(file, found)]:
        raise ImtransError(recipes.report(str(file.path), same))
    return found


def read_variant(variant: Variant, seed: int, catalog: Catalog) -> Recipe:
    return recipes.read(variant.recipe, variant.with_seed(seed), catalog)


def _rows(variant: Variant, error: ImtransError) -> Iterator[tuple[str, str]]:
    """What is wrong with a variant: at the line of its own key, or at its head where its recipe's
    file is wrong."""
    lines = {one.place: one.place.rpartition(", ")[2] for one in variant.overrides}
    if not isinstance(error, RecipeProblems):
        place, _, rest = str(error).partition(": ")
        yield (lines[place], rest) if place in lines else (variant.line, str(error))
        return
    for place, sentence in error.rows:
        if place in lines:
            yield lines[place], sentence
        else:
            yield variant.line, f"{error.origin} {place}: {sentence}"


def _together(rows: Sequence[tuple[str, str, str]], count: int) -> Rows:
    """The problems by line, each with the variants that have it."""
    named: dict[tuple[str, str], list[str]] = {}
    for line, what, variant in rows:
        named.setdefault((line, what), []).append(variant)
    found = []
    for (line, what), names in named.items():
        whose = "" if len(names) == count else f"variants.{', '.join(names)}: "
        found.append((line, f"{whose}{what}"))
    return sorted(found, key=lambda row: int(row[0].removeprefix("line ")))


def _alike(file: SweepFile, found: Mapping[str, Recipe]) -> Iterator[tuple[str, str]]:
    """Variants that are one recipe, which would be compared with themselves."""
    seen: list[tuple[str, Recipe]] = []
    for variant in file.variants:
        recipe = found[variant.name]
        if same := next((name for name, other in seen if other == recipe), None):
            yield variant.line, f"variants.{variant.name}: the same recipe as '{same}'"
        seen.append((variant.name, recipe))


def check_variants(
    file: SweepFile,
    tasks: Mapping[str, Task],
    untried: Sequence[str],
    device: str,
    say: Callable[[str], None],
) -> None:
    """Find the data of all variants, and try a step of those `untried`. Raises ImtransError with
    all that is wrong; says once what training would warn of."""
    rows: Rows = []
    remarks: dict[str, list[str]] = {}
    for variant in file.variants:
        task = tasks[variant.name]
        wrong = list(_wrong_data(task, file))
        if variant.name in untried and not wrong:
            for finding in check(task, device):
                if finding.severity == "error":
                    wrong.append(finding.message)
                elif finding.severity == "warning":
                    remarks.setdefault(finding.message, []).append(variant.name)
        rows += ((variant.line, f"variants.{variant.name}: {what}") for what in wrong)
    if rows:
        raise ImtransError(recipes.report(str(file.path), rows))
    _check_that_they_compare(file, tasks)
    for text, names in remarks.items():
        say(text if len(names) == len(file.variants) else f"{quoted(names)}: {text}")


def _wrong_data(task: Task, file: SweepFile) -> Iterator[str]:
    share = task.recipe.data.validation
    try:
        count = len(task.validation_pairs)
    except ImtransError as error:
        yield str(error)
        return
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


def _check_that_they_compare(file: SweepFile, tasks: Mapping[str, Task]) -> None:
    first, *others = file.variants
    measured = {pair.name for pair in tasks[first.name].validation_pairs}
    rows = [
        (
            one.line,
            f"variants.{one.name}: its validation pairs are others than those of '{first.name}', "
            "so that nothing can be compared; leave its data.root and data.validation as they are",
        )
        for one in others
        if len(measured & {pair.name for pair in tasks[one.name].validation_pairs}) < FEWEST
    ]
    if rows:
        raise ImtransError(recipes.report(str(file.path), rows))
