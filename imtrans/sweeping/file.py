"""A sweep's file: which variants of which recipe, with which seeds.

recipe = "facades"
seeds = [0, 1, 2]
equal = "time"

[set]                       # of all variants
"train.epochs" = 10

[variants.paper]            # the first is what the others are compared with

[variants.hinge]
"adversarial.name" = "hinge"
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from imtrans.api.errors import ImtransError
from imtrans.host.foreign import reading
from imtrans.recipe import reading as recipes
from imtrans.recipe.overrides import Override
from imtrans.recipe.problems import refuse_depth, validate
from imtrans.recipe.reading import RecipeProblems
from imtrans.recipe.shelves import SWEEPS
from imtrans.recipe.tables import Table
from imtrans.recipe.toml import Location, lines
from imtrans.sweeping.problems import TOP, SweepProblems

NAME = re.compile(r"[^\W_][\w-]{0,99}")  # of a variant: a part of the name of a folder
RECIPE = "recipe"  # the key of a variant that is none of its recipe
EPOCHS = "train.epochs"
FEWEST = 2  # variants


class SweepTable(Table):
    """What a sweep's file says, but for the keys of recipes."""

    title: str = ""
    """The head of the table."""
    recipe: str | None = None
    """What all variants start from: the name of a recipe, or a path that begins at the folder of
    this file."""
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**63)], ...] = (0,)
    """Each variant is trained with each of them."""
    equal: Literal["time", "steps"] | None = None
    """`"time"`: every variant trains for as long as the first one, `"steps"`: for as many steps;
    left out: each for its own epochs."""
    settings: Annotated[dict[str, Any], Field(alias="set")] = {}
    """Keys of the recipe for all variants."""
    evaluate: dict[str, Any] = {}
    """As `--set` of `imtrans evaluate`, so that variants which read their data differently are
    measured alike."""
    variants: dict[str, dict[str, Any]]
    """What each variant changes, as `[variants.NAME]`; `recipe` in it starts from another one. The
    first variant is what others are compared with."""


@dataclass(frozen=True)
class SweepVariant:
    """A recipe, and what is changed in it."""

    name: str
    recipe: str  # a name, or a path
    overrides: tuple[Override, ...]  # whose places end in their lines
    line: str  # of its head, as `line 12`
    recipe_line: str  # where its recipe is named

    def with_seed(self, seed: int) -> tuple[Override, ...]:
        return (*self.overrides, Override("seed", seed, "seeds"))


@dataclass(frozen=True)
class SweepFile:
    """A sweep as it was written; the first of its variants is what the others are compared with."""

    path: Path
    title: str
    seeds: tuple[int, ...]
    equal: Literal["time", "steps"] | None
    evaluate: tuple[str, ...]  # KEY=VALUE
    variants: tuple[SweepVariant, ...]
    problems: SweepProblems

    @property
    def name(self) -> str:
        return self.path.stem


def read_sweep(source: str | Path, settings: Sequence[str] = ()) -> SweepFile:
    """The sweep at a path or of a name, with KEY=VALUE `settings` of all its variants. Raises
    ImtransError when it is no sweep; what else is wrong is among its `problems`, which become more
    as its recipes are read."""
    path = SWEEPS.find(source)
    text = recipes.text_of(path)
    with reading(path, "not valid TOML"):
        values = tomllib.loads(text)
    with reading(path):
        refuse_depth(values)
        places = {location: f"line {line}" for location, line in lines(text).items()}
    if "data" in values and "variants" not in values:
        raise ImtransError(f"{path}: a recipe, and no sweep; `imtrans train {path}` trains it")
    table = validate(SweepTable, values)
    if isinstance(table, list):
        raise RecipeProblems(str(path), table, places)
    problems = SweepProblems(path)
    for line, what in _problems(table, places):
        problems.add(line, what)
    added = tuple(map(Override.of, settings))
    for one in added:
        if one.key == "seed":
            problems.add(one.place, "the seeds are in 'seeds', for all variants")
    variants = tuple(_variants(path, table, values, places, added))
    if not table.seeds or not FEWEST <= len(variants) == len(table.variants):
        problems.refuse(())  # there is nothing to look at
    asked = _overrides(path, ("evaluate",), table.evaluate, places)
    measured = tuple(f"{one.key}={json.dumps(one.value)}" for one in asked)
    return SweepFile(path, table.title, table.seeds, table.equal, measured, variants, problems)


def _problems(table: SweepTable, places: Mapping[Location, str]) -> Iterator[tuple[str, str]]:
    """What no type says."""
    seeds = places.get(("seeds",), TOP)
    if not table.seeds:
        yield seeds, "seeds: name one or more, as in seeds = [0, 1, 2]"
    if twice := sorted({seed for seed in table.seeds if table.seeds.count(seed) > 1}):
        yield seeds, f"seeds: {', '.join(map(str, twice))} appears more than once"
    if len(table.variants) < FEWEST:
        where = next((places[one] for one in places if one[0] == "variants"), TOP)
        yield where, "variants: name two or more, as in [variants.paper] and [variants.hinge]"
    known = dict[str, str]()
    for name, values in table.variants.items():
        line = places.get(("variants", name), TOP)
        if not NAME.fullmatch(name):
            allowed = "use letters, digits, '_' and '-'"
            yield line, f"variants: '{name}' cannot be a part of a folder's name; {allowed}"
        if (other := known.setdefault(name.lower(), name)) != name:
            yield line, f"variants: '{name}' and '{other}' are one folder on some disks"
        if not isinstance(values.get(RECIPE, table.recipe), str):
            yield line, f"variants.{name}: names no recipe, and neither does the sweep"
    yield from _out_of_place(table, places)


def _out_of_place(table: SweepTable, places: Mapping[Location, str]) -> Iterator[tuple[str, str]]:
    """Keys of recipes that the sweep itself decides."""
    for section, keys in _sections(table):
        if "seed" in keys:
            line = places.get((*section, "seed"), TOP)
            yield line, f"{'.'.join(section)}: the seeds are in 'seeds', for all variants"
    for name in list(table.variants)[1:] if table.equal else ():
        written = (location for location in places if location[:2] == ("variants", name))
        own = next((places[one] for one in written if _key(one[2:]) == EPOCHS), None)
        if own:
            follow = f'its epochs follow from equal = "{table.equal}"'
            yield own, f"variants.{name}: {follow}; leave {EPOCHS} out"


def _key(location: Location) -> str:
    """As --set names it, however a file writes it: "train.epochs", train.epochs, or in a table."""
    return ".".join(map(str, location))


def _sections(table: SweepTable) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    yield ("set",), table.settings
    for name, values in table.variants.items():
        yield ("variants", name), values


def _variants(
    path: Path,
    table: SweepTable,
    values: Mapping[str, Any],
    places: Mapping[Location, str],
    added: Sequence[Override],
) -> Iterator[SweepVariant]:
    shared = [*_overrides(path, ("set",), values.get("set", {}), places)]
    for name, own in values["variants"].items():
        location = ("variants", name)
        changed = {key: value for key, value in own.items() if key != RECIPE}
        overrides = (*shared, *_overrides(path, location, changed, places), *added)
        named = (*location, RECIPE) if RECIPE in own else (RECIPE,)
        recipe = own.get(RECIPE, table.recipe)
        if isinstance(recipe, str):
            lines = {"line": places.get(location, TOP), "recipe_line": places.get(named, TOP)}
            yield SweepVariant(name, _beside(path, recipe), overrides, **lines)


def _beside(path: Path, recipe: str) -> str:
    """A recipe's name as it is; a path is below the folder of the sweep's file."""
    is_path = recipe.endswith(".toml") or "/" in recipe or "\\" in recipe
    return str(path.parent / recipe) if is_path else recipe


def _overrides(
    path: Path, section: Location, values: Mapping[str, Any], places: Mapping[Location, str]
) -> Iterator[Override]:
    """Tables are gone through key by key, so that [variants.x.train] changes what it names and no
    more; one with a name is a component, and takes the place of the one before."""
    waiting = [(key, value, (*section, key)) for key, value in reversed([*values.items()])]
    while waiting:
        key, value, location = waiting.pop()
        if isinstance(value, dict) and value and "name" not in value:
            inner = reversed([*value.items()])
            waiting += [(f"{key}.{name}", part, (*location, name)) for name, part in inner]
        else:
            near = (location[:end] for end in range(len(location), 0, -1))
            line = next((places[one] for one in near if one in places), TOP)
            yield Override(key, value, f"{path.name}, {line}")
