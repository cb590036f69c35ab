"""Values against a typed table: what is wrong with them, in words that a person can act on."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from imtrans.api.errors import did_you_mean, quoted
from imtrans.recipe.toml import Location


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a recipe: the keys that lead to it, and what is wrong there."""

    location: Location
    message: str


COMPONENTS = ("ComponentTable", "LossTable")  # tables that begin with a name
DEPTH = 50  # tables and lists within each other
Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], values: Mapping[str, Any]) -> Model | list[Problem]:
    """The model filled with a TOML table's values, or every problem found.

    Types are strict as TOML's are: a text is never read as a number. JSON is the way in, because
    pydantic's strict JSON mode takes an array for a tuple where its strict Python mode does not.
    """
    try:
        return model.model_validate_json(json.dumps(values, default=_no_json), strict=True)
    except ValidationError as error:
        return list(_problems(error, model, values))


def refuse_depth(values: Mapping[str, Any]) -> None:
    """Raise RecursionError when tables or lists are nested deeper than any recipe's: most readers
    would fail on them, each in its own way."""
    for _ in _nodes(values):
        pass


def too_large(values: Mapping[str, Any]) -> list[Problem]:
    """The numbers beyond the 64 bits that TOML has. Raises RecursionError as refuse_depth does."""
    return [
        Problem(location, "a number of more than 64 bits")
        for location, value in _nodes(values)
        if isinstance(value, int) and not -(2**63) <= value < 2**63
    ]


def _nodes(values: Mapping[str, Any]) -> Iterator[tuple[Location, Any]]:
    """Every value, with the keys that lead to it; without recursion."""
    waiting: list[tuple[Location, Any]] = [((), values)]
    while waiting:
        location, value = waiting.pop()
        if len(location) > DEPTH:
            raise RecursionError
        if isinstance(value, Mapping):
            waiting += [((*location, key), inner) for key, inner in value.items()]
        elif isinstance(value, list):
            waiting += [((*location, index), inner) for index, inner in enumerate(value)]
        yield location, value


def _no_json(value: Any) -> dict[str, str]:
    # TOML's dates and times, which no key takes: they must not pass for texts.
    return {"date": str(value)}


def _problems(
    error: ValidationError, model: type[BaseModel], values: Mapping[str, Any]
) -> Iterable[Problem]:
    messages: dict[Location, list[str]] = {}
    for detail in error.errors():
        location, message = _explain(detail, model, values)
        messages.setdefault(location, []).append(message)
    # A union reports each of its members: together they are one problem.
    return [Problem(place, " or ".join(dict.fromkeys(rows))) for place, rows in messages.items()]


def _explain(
    detail: ErrorDetails, model: type[BaseModel], values: Mapping[str, Any]
) -> tuple[Location, str]:
    location, kind, found = detail["loc"], detail["type"], detail["input"]
    context = detail.get("ctx", {})
    if kind == "extra_forbidden":
        *table, key = location
        known = _fields(model, table)
        near = did_you_mean(str(key), known) or (not table and _elsewhere(model, str(key)))
        return location, f"no key '{key}'{near or _allowed(known)}"
    if kind == "missing":
        return location, f"the key '{location[-1]}' is missing"
    if kind == "value_error":
        return location, str(context["error"])
    location = _within(values, location)
    if kind == "literal_error":
        return location, f"{_show(found)} is not one of {context['expected'].replace(' or ', ', ')}"
    if isinstance(found, str) and str(context.get("class_name")).endswith(COMPONENTS):
        path = ".".join(map(str, location))
        one_of_many = isinstance(location[-1], int)
        written = f'{{ name = "{found}" }}' if one_of_many else f"{path}.name={found}"
        return location, f"{_show(found)} is not a table; write {written}"
    expected = detail["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return location, f"{_show(found)} is not {_TYPES.get(kind, expected)}"


_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "finite_number": "a finite number",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}


def _fields(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys that the table at `path` knows."""
    for key in path:
        if isinstance(key, int):
            continue
        annotation = _by_key(model)[key].annotation
        inner = [annotation, *getattr(annotation, "__args__", ())]
        model = next(t for t in inner if isinstance(t, type) and issubclass(t, BaseModel))
    return list(_by_key(model))


def _elsewhere(model: type[BaseModel], key: str) -> str:
    """`; did you mean 'train.epochs'?` for a key that a table of the recipe has."""
    with_it = []
    for table in _fields(model, ()):
        try:
            known = _fields(model, (table,))
        except StopIteration:  # no table
            continue
        with_it += [f"'{table}.{key}'"] if key in known else []
    return f"; did you mean {' or '.join(with_it)}?" if with_it else ""


def _by_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _within(values: Any, location: Location) -> Location:
    """The part of a location that exists in the input; pydantic appends names of union members."""
    for depth, key in enumerate(location):
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            return location[:depth]
    return location


def _allowed(known: Iterable[str]) -> str:
    names = quoted(known)
    return f"; known are {names}" if names else "; it has none"


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
