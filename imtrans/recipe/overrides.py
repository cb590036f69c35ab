"""Keys of a recipe that are set from outside it: by --set, from Python, or by a sweep."""

import tomllib
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Self

from imtrans.api.addresses import without_secrets
from imtrans.api.errors import ImtransError, quoted
from imtrans.host.foreign import reading, whole_number
from imtrans.host.words import plain
from imtrans.recipe.toml import Location

# Components that a recipe may name without a table.
NAMED_ALONE = {("method",), ("adversarial",), ("data", "layout"), ("data", "derive")}
SHORT = 66  # characters of a place in front of a parser's complaint


@dataclass(frozen=True)
class Override:
    """A key, as `train.epochs` or `loss.l1.weight`, its value, and where a person has set it."""

    key: str
    value: Any
    place: str

    @classmethod
    def of(cls, setting: str) -> Self:
        """That of `--set KEY=VALUE`. Raises ImtransError when it is written otherwise."""
        # Without the secrets of an address, which is refused for them.
        place = f"--set {plain(without_secrets(setting))}"
        key, equals, text = setting.partition("=")
        if not equals:
            raise _not_a_key(place)
        if any("\ud800" <= letter <= "\udfff" for letter in setting):
            raise ImtransError(f"{place}: not a text in UTF-8")
        with reading(plain(place, SHORT)):
            return cls(key.strip(), value_of(text), place)


def value_of(text: str) -> Any:
    """What an override sets: a TOML value, or else a text, as in --set generator.name=resnet_9."""
    try:
        values = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text.strip()
    return values["value"] if len(values) == 1 else text.strip()  # it went on behind a value


def apply(override: Override, values: dict[str, Any]) -> Location:
    """Set the key in place; a loss is addressed by its index or its name."""
    with reading(plain(override.place, SHORT)):
        return _applied(override, values)


def _applied(override: Override, values: dict[str, Any]) -> Location:
    place, keys = override.place, override.key.split(".")
    if not all(keys):
        raise _not_a_key(place)
    location: list[str | int] = []
    table: Any = values
    for depth, key in enumerate(keys):
        step: str | int = _index(table, key, place) if isinstance(table, list) else key
        location.append(step)
        if depth == len(keys) - 1:
            table[step] = deepcopy(override.value)  # which others may change below it
        else:
            if tuple(location) in NAMED_ALONE and isinstance(table.get(step), str):
                table[step] = {"name": table[step]}  # a component that had no options so far
            table = table[step] if isinstance(step, int) else table.setdefault(step, {})
        if depth < len(keys) - 1 and not isinstance(table, dict | list):
            raise ImtransError(f"{place}: '{'.'.join(keys[: depth + 1])}' is not a table")
    return tuple(location)


def _not_a_key(place: str) -> ImtransError:
    return ImtransError(f"{place}: write it as table.key=value, as in train.epochs=5")


def _index(tables: list[Any], key: str, place: str) -> int:
    names = [str(table.get("name")) for table in tables if isinstance(table, dict)]
    index = whole_number(key)
    if index is not None and index < len(tables):
        return index
    if key in names:
        return names.index(key)
    raise ImtransError(f"{place}: no entry '{plain(key, 60)}'; there are {quoted(names)}")
