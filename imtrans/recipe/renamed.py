"""Keys that were called otherwise in recipes of format 1, before methods and [validate].

Checkpoints and runs of that time are read as what they mean; a recipe that a person keeps is not
changed behind their back: each old key is an error that says its new name.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from imtrans.recipe.schema import Problem

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
            value = value / values["train"].get("learning_rate", USUAL_RATE)
        *tables, key = new
        _table(result, tables)[key] = value
    return result


def _found(values: Mapping[str, Any], location: Keys) -> bool:
    table: Any = values
    for key in location:
        if not isinstance(table, Mapping) or key not in table:
            return False
        table = table[key]
    return True


def _table(values: dict[str, Any], path: list[str]) -> dict[str, Any]:
    table: Any = values
    for key in path:
        table = table.setdefault(key, {})
    assert isinstance(table, dict)
    return table
