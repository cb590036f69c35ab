"""The recipe of a run beside the shipped recipe that it was made from."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.recipe import reading as recipes
from imtrans.recipe.flat import differing, flat
from imtrans.recipe.schema import Recipe


@dataclass(frozen=True)
class Changed:
    """A key whose value is not that of the shipped recipe."""

    key: str
    here: str
    shipped: str


@dataclass(frozen=True)
class FromShipped:
    """The shipped recipe that a run's is compared with, and what differs."""

    name: str
    changed: tuple[Changed, ...]


def from_shipped(recipe: Recipe, name: str) -> FromShipped | None:
    """What differs from the shipped recipe of the same title, else from that of the run's name;
    None where there is neither."""
    shipped = _shipped(recipe.title, name)
    if shipped is None:
        return None
    differ = differing([flat(recipe), flat(shipped[1])])
    changed = (Changed(key, text_of(here), text_of(there)) for key, (here, there) in differ.items())
    return FromShipped(shipped[0], tuple(changed))


def _shipped(title: str, name: str) -> tuple[str, Recipe] | None:
    named = None
    for known, path in recipes.packaged().items():
        with suppress(ImtransError, OSError):
            recipe = recipes.read(path)
            if title and recipe.title == title:
                return known, recipe
            if known == name:
                named = known, recipe
    return named


def text_of(value: Any) -> str:
    """The value of a key as it is shown; `-` where a recipe has no such key."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
