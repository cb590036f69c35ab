"""Read and write recipes; report all their problems at once, each with its line."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from imtrans.api.errors import ImtransError
from imtrans.host.foreign import reading
from imtrans.host.words import counted
from imtrans.recipe import renamed, toml
from imtrans.recipe.components import component_problems
from imtrans.recipe.overrides import Override, apply
from imtrans.recipe.problems import Problem, refuse_depth, too_large, validate
from imtrans.recipe.schema import REQUIREMENT, Recipe
from imtrans.recipe.shelves import RECIPES
from imtrans.recipe.toml import Location, lines

if TYPE_CHECKING:
    from imtrans.recipe.catalog import Catalog

find, packaged, available = RECIPES.find, RECIPES.packaged, RECIPES.available


class RecipeProblems(ImtransError):
    """What is wrong with a recipe: a place, in the file or an override, and a sentence for each."""

    def __init__(self, origin: str, problems: list[Problem], places: dict[Location, str]) -> None:
        self.rows = sorted(
            {(_place(p.location, places), _sentence(p)) for p in problems}, key=_order
        )
        self.origin = origin
        super().__init__(report(origin, self.rows))


def read(
    source: str | Path,
    overrides: Iterable[str | Override] = (),
    catalog: "Catalog | None" = None,
    *,
    old: bool = False,
) -> Recipe:
    """The recipe at a path or of a name, with `a.b=value` overrides applied.

    With a catalog the components' names and options are checked too; `old` accepts the keys of
    earlier versions. Raises ImtransError with every problem, each with its line or override.
    """
    path = find(source)
    return parse(text_of(path), str(path), overrides, catalog, old=old)


def parse(
    text: str,
    origin: str,
    overrides: Iterable[str | Override] = (),
    catalog: "Catalog | None" = None,
    *,
    old: bool = False,
    translator_only: bool = False,
) -> Recipe:
    """A recipe from its TOML text; `origin` names it in errors.

    `old` accepts the keys of earlier versions, as checkpoints and runs hold them. With
    `translator_only`, components that only training needs may be missing from the catalog.
    """
    values, places = _values(text, origin, overrides)
    problems = [] if old else list(renamed.problems(values))
    if old or problems:
        values = renamed.with_new_names(values)
    checked = validate(Recipe, values)
    problems += checked if isinstance(checked, list) else []
    if catalog:
        problems += component_problems(values, catalog, translator_only=translator_only)
        problems += [] if translator_only else _missing_plugins(values, catalog)
    if isinstance(checked, Recipe) and not problems:
        return checked
    raise RecipeProblems(origin, problems, places)


def _values(
    text: str, origin: str, overrides: Iterable[str | Override]
) -> tuple[dict[str, Any], dict[Location, str]]:
    """What a recipe says with its overrides, unchecked, and where it says it."""
    with reading(origin, "not valid TOML"):
        values = tomllib.loads(text)
    with reading(origin):
        refuse_depth(values)
        places = {location: f"line {line}" for location, line in lines(text).items()}
    for override in overrides:
        one = override if isinstance(override, Override) else Override.of(override)
        places[apply(one, values)] = one.place
    with reading(origin):
        large = too_large(values)  # which also refuses the depth that an override adds
    if large:
        raise RecipeProblems(origin, large, places)
    return values, places


def text_of(path: Path) -> str:
    """What a recipe's file says. Raises ImtransError when it is no text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImtransError(f"{path}: not a text file in UTF-8") from error


def _order(row: tuple[str, str]) -> tuple[bool, int, str]:
    place, text = row
    return (False, int(place[5:]), text) if place.startswith("line ") else (True, 0, place)


def report(origin: str, rows: list[tuple[str, str]]) -> str:
    """Problems one below the other, each behind its place."""
    width = max(len(place) for place, _ in rows)
    body = [f"{origin}: {counted(len(rows), 'problem')}"]
    return "\n".join([*body, *(f"  {place:<{width}}  {text}" for place, text in rows)])


def _place(location: Location, places: dict[Location, str]) -> str:
    """The nearest place known: the key's own, else that of a table around it."""
    for end in range(len(location), 0, -1):
        if location[:end] in places:
            return places[location[:end]]
        inside = [place for place in places if place[:end] == location[:end]]
        if inside:  # an override of a key below it
            return places[inside[0]]
    return "line 1"


def _sentence(problem: Problem) -> str:
    location = problem.location
    about_the_table = problem.message.startswith(("no key", "the key"))
    keys = location[:-1] if about_the_table else location
    path = ".".join(str(key) for key in keys)
    return f"{path}: {problem.message}" if path else problem.message


def _missing_plugins(values: Mapping[str, Any], catalog: "Catalog") -> list[Problem]:
    """The distributions that the recipe requires and that bring nothing here."""
    names = values.get("requires")
    here = {plugin.distribution for plugin in catalog.plugins}
    return [
        Problem(("requires", index), _why_missing(name, catalog))
        for index, name in enumerate(names if isinstance(names, list) else [])
        # What is no requirement is reported as such, and never offered to a shell.
        if isinstance(name, str) and REQUIREMENT.fullmatch(name) and _distribution(name) not in here
    ]


def _distribution(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0]


def _why_missing(requirement: str, catalog: "Catalog") -> str:
    for plugin, why in catalog.unusable.items():
        if plugin.distribution == _distribution(requirement):
            return f"plugin {plugin} cannot be used: {why}"
    return f"'{requirement}' is not installed: pip install {quote(requirement)}"


def dumps(recipe: Recipe) -> str:
    """The whole recipe as TOML, defaults included; `parse` reads it back to an equal recipe."""
    return toml.dumps(values_of(recipe))


def described(recipe: Recipe) -> str:
    """What trains, in a line: `pix2pix, unet_256 + patch_70, vanilla + 100 l1`."""
    networks = [table.name for table in (recipe.generator, recipe.discriminator) if table]
    losses = [recipe.adversarial.name] if recipe.adversarial else []
    losses += [f"{table.weight:g} {table.name}" for table in recipe.loss]
    parts = [recipe.method.name, " + ".join(networks), " + ".join(losses)]
    return ", ".join(part for part in parts if part)


def values_of(recipe: Recipe) -> dict[str, Any]:
    """The whole recipe as TOML has it, defaults included: tables are dicts."""
    values = recipe.model_dump(mode="json", exclude_none=True, by_alias=True)
    for table, keys in ((values["data"], ("layout", "derive")), (values, ("method",))):
        for key in keys:
            if key in table:
                table[key] = _short(table[key])
    values["validate"]["metrics"] = [_short(metric) for metric in values["validate"]["metrics"]]
    return values


def _short(component: dict[str, Any]) -> Any:
    """A component without options is written as its name."""
    return component["name"] if set(component) == {"name"} else component
