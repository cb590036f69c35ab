"""Find, read and write recipes; report all their problems at once, each with its line."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from imtrans.api.addresses import without_secrets
from imtrans.api.errors import ImtransError, did_you_mean, quoted
from imtrans.host.foreign import reading, whole_number
from imtrans.host.words import plain
from imtrans.recipe import renamed, toml
from imtrans.recipe.components import component_problems
from imtrans.recipe.problems import Problem, refuse_depth, too_large, validate
from imtrans.recipe.schema import REQUIREMENT, Recipe
from imtrans.recipe.toml import Location, lines

if TYPE_CHECKING:
    from imtrans.recipe.catalog import Catalog

# Components that a recipe may name without a table.
NAMED_ALONE = {("method",), ("adversarial",), ("data", "layout"), ("data", "derive")}


def read(
    source: str | Path,
    overrides: Iterable[str] = (),
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
    overrides: Iterable[str] = (),
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
    raise ImtransError(_report(origin, problems, places))


def _values(
    text: str, origin: str, overrides: Iterable[str]
) -> tuple[dict[str, Any], dict[Location, str]]:
    """What a recipe says with its overrides, unchecked, and where it says it."""
    with reading(origin, "not valid TOML"):
        values = tomllib.loads(text)
    with reading(origin):
        refuse_depth(values)
        places = {location: f"line {line}" for location, line in lines(text).items()}
    for override in overrides:
        with reading(f"--set {_shown(override, 60)}"):
            location = _override(values, override)
        places[location] = f"--set {_shown(override)}"
    with reading(origin):
        large = too_large(values)  # which also refuses the depth that an override adds
    if large:
        raise ImtransError(_report(origin, large, places))
    return values, places


def find(source: str | Path) -> Path:
    """The file of a recipe: a path, `./recipes/NAME.toml`, or a packaged recipe, in this order."""
    text = str(source)
    if text.endswith(".toml") or "/" in text or "\\" in text:
        path = Path(source)
        if path.is_file():
            return path
        hint = f"; the packaged recipe is called '{path.stem}'" if path.stem in packaged() else ""
        raise ImtransError(f"{path}: no such recipe file{hint}")
    local = Path("recipes") / f"{text}.toml"
    if local.is_file():
        return local
    known = packaged()
    if text in known:
        return known[text]
    near = did_you_mean(text, known) or f"; packaged are {quoted(known)}"
    if Path(f"{text}.toml").is_file():
        near = f"; did you mean the file '{text}.toml'?"
    raise ImtransError(f"no recipe '{text}', neither as {local} nor packaged{near}")


def packaged() -> dict[str, Path]:
    """The recipes that come with imtrans, by name."""
    # In a wheel they are in the package; in a checkout beside it.
    package = Path(str(resources.files("imtrans")))
    folders = [package / "recipes", package.parent / "recipes"]
    folder = next((f for f in folders if f.is_dir()), folders[0])
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def available() -> dict[str, Path]:
    """Every recipe that a bare name finds: those in ./recipes, then the packaged ones."""
    local = {path.stem: path for path in sorted(Path("recipes").glob("*.toml"))}
    return local | {name: path for name, path in packaged().items() if name not in local}


def text_of(path: Path) -> str:
    """What a recipe's file says. Raises ImtransError when it is no text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImtransError(f"{path}: not a text file in UTF-8") from error


def _shown(override: str, *most: int) -> str:
    """An override in an error: without the secrets of an address, which is refused for them."""
    return plain(without_secrets(override), *most)


def _override(values: dict[str, Any], override: str) -> Location:
    """Set `a.b=value` in place; a loss is addressed by its index or its name."""
    path, equals, text = override.partition("=")
    shown = f"--set {_shown(override)}"
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ImtransError(f"{shown}: write it as table.key=value, as in train.epochs=5")
    if any("\ud800" <= letter <= "\udfff" for letter in override):
        raise ImtransError(f"{shown}: not a text in UTF-8")
    value = value_of(text)
    location: list[str | int] = []
    table: Any = values
    for depth, key in enumerate(keys):
        step: str | int = _index(table, key, shown) if isinstance(table, list) else key
        location.append(step)
        if depth == len(keys) - 1:
            table[step] = value
        else:
            if tuple(location) in NAMED_ALONE and isinstance(table.get(step), str):
                table[step] = {"name": table[step]}  # a component that had no options so far
            table = table[step] if isinstance(step, int) else table.setdefault(step, {})
        if depth < len(keys) - 1 and not isinstance(table, dict | list):
            raise ImtransError(f"{shown}: '{'.'.join(keys[: depth + 1])}' is not a table")
    return tuple(location)


def value_of(text: str) -> Any:
    """What an override sets: a TOML value, or else a text, as in --set generator.name=resnet_9."""
    try:
        values = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text.strip()
    return values["value"] if len(values) == 1 else text.strip()  # it went on behind a value


def _index(tables: list[Any], key: str, shown: str) -> int:
    names = [str(table.get("name")) for table in tables if isinstance(table, dict)]
    index = whole_number(key)
    if index is not None and index < len(tables):
        return index
    if key in names:
        return names.index(key)
    raise ImtransError(f"{shown}: no entry '{plain(key, 60)}'; there are {quoted(names)}")


def _report(origin: str, problems: list[Problem], places: dict[Location, str]) -> str:
    def order(row: tuple[str, str]) -> tuple[bool, int, str]:
        place, text = row
        return (False, int(place[5:]), text) if place.startswith("line ") else (True, 0, place)

    rows = sorted({(_place(p.location, places), _sentence(p)) for p in problems}, key=order)
    width = max(len(place) for place, _ in rows)
    count = "1 problem" if len(rows) == 1 else f"{len(rows)} problems"
    body = [f"{origin}: {count}", *(f"  {place:<{width}}  {text}" for place, text in rows)]
    return "\n".join(body)


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
