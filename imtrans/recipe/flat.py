"""A recipe as one list of keys, and what differs between recipes."""

from collections.abc import Mapping, Sequence
from typing import Any

from imtrans.recipe.reading import values_of
from imtrans.recipe.schema import Recipe


def flat(recipe: Recipe | None) -> dict[str, Any]:
    """Every key of a recipe with its value, nothing where there is none; see `flat_values`."""
    return flat_values(values_of(recipe)) if recipe else {}


def flat_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every key with its value, as `--set` names it: `train.epochs`, `loss.l1.weight`."""
    found: dict[str, Any] = {}

    def walk(key: str, value: Any) -> None:
        if isinstance(value, dict):
            for inner, part in value.items():
                walk(f"{key}.{inner}" if key else inner, part)
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            for row in value:
                walk(f"{key}.{row.get('name')}", row)
        else:
            found[key] = value

    walk("", values)
    # A component without options is its name alone.
    return {key.removesuffix(".name"): value for key, value in found.items()}


def differing(recipes: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Of flat recipes the keys whose values are not all equal, with the value of each; None where
    one has no such key."""
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    found = {key: [recipe.get(key) for recipe in recipes] for key in keys}
    return {key: row for key, row in found.items() if any(value != row[0] for value in row)}
