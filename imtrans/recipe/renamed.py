"""Keys that were called otherwise in recipes of format 1, before methods and [validate].

Checkpoints and runs of that time are read as what they mean; a recipe that a person keeps is not
changed behind their back: each old key is an error that says its new name.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from imtrans.recipe.problems import Problem

Keys = tuple[str, ...]

RENAMED: dict[Keys, Keys] = {
    ("objective",): ("adversarial",),
    ("train", "validate_every"): ("validate", "every"),
    ("train", "validate_pairs"): ("validate", "pairs"),
    ("train", "keep_best"): ("validate", "keep_best"),
    ("train", "patience"): ("validate", "patience"),
    ("train", "discriminator_steps"): ("method", "discriminator_steps"),
    ("train", "discriminator_learning_rate"): ("method", "discriminator_rate"),
}
RATE = ("train", "discriminator_learning_rate")  # was absolute, and is a factor now
USUAL_RATE = 2e-4


def problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """One for each old key, with what to write instead."""
    for old, new in RENAMED.items():
        if _found(values, old):
            factor = ", a factor of train.learning_rate" if old == RATE else ""
            yield Problem(old, f"is now called {'.'.join(new)}{factor}; rename it")


def with_new_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a recipe of any age, by the names of today."""
    result = deepcopy(dict(values))
    for old, new in RENAMED.items():
        if not _found(values, old):
            continue
        *tables, key = old
        value = _table(result, tables).pop(key)
        if old == RATE:
            value = _as_factor(value, values["train"].get("learning_rate", USUAL_RATE))
        *tables, key = new
        _table(result, tables)[key] = value
    return result


def _as_factor(rate: Any, of: Any) -> Any:
    """A rate as a factor of another; what is none stays, for the schema to refuse."""
    numbers = all(isinstance(value, int | float) for value in (rate, of))
    return rate / of if numbers and of else rate


def _found(values: Mapping[str, Any], location: Keys) -> bool:
    table: Any = values
    for key in location:
        if not isinstance(table, Mapping) or key not in table:
            return False
        table = table[key]
    return True


def _table(values: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The table at a place: made there, also of a component that was written as its name, or of
    something else that is none."""
    table = values
    for key in path:
        inner = table.get(key)
        if not isinstance(inner, dict):
            inner = table[key] = {"name": inner} if isinstance(inner, str) else {}
        table = inner
    return table
