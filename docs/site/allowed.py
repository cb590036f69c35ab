"""What a key may be, in the words of TOML."""

from collections.abc import Sequence
from itertools import chain
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

PLAIN = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    dict: "table",
    Any: "anything",
}
SIGNS = {"ge": "from", "gt": "above", "le": "to", "lt": "below", "multiple_of": "multiples of"}


def allowed(annotation: Any) -> str:
    """`whole number, from 1`, or `"batch"`, `"instance"`; None is left out: it is no value."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _limited(inner[0], inner[1:])
    if origin is Literal:
        return ", ".join(as_toml(value) for value in inner)
    if origin in (UnionType, Union):
        return " or ".join(allowed(each) for each in inner if each is not NoneType)
    if origin in (tuple, list, Sequence) or annotation in (tuple, list):
        return _list(inner)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "component" if "name" in annotation.model_fields else "table"
    return PLAIN.get(origin or annotation, str(annotation))


def _limited(annotation: Any, constraints: Sequence[Any]) -> str:
    limits = chain.from_iterable(getattr(each, "metadata", [each]) for each in constraints)
    said = []
    for limit in limits:
        if pattern := getattr(limit, "pattern", None):
            return '`"N epochs"`' if "epochs" in pattern else f"text like `{pattern}`"
        said += [
            f"{sign} {_bound(getattr(limit, n))}" for n, sign in SIGNS.items() if hasattr(limit, n)
        ]
    return ", ".join([allowed(annotation), *said])


def _bound(value: float) -> str:
    return "2^63" if value == 2**63 else str(value)


def _list(inner: Sequence[Any]) -> str:
    if len(inner) > 1 and inner[1] is not Ellipsis:
        return f"`[{', '.join('number' for _ in inner)}]`"
    if not inner:
        return "list"
    what, comma, limits = allowed(inner[0]).partition(",")
    if what.startswith("`"):
        return f"list of {what}{comma}{limits}"
    several = what.replace("list", "lists", 1) if what.startswith("list") else f"{what}s"
    return f"list of {several}{comma}{limits}"


def as_toml(value: Any) -> str:
    """A default as a recipe writes it."""
    if value is None or value in ("", (), [], {}):
        return ""
    return f"`{_toml(value)}`"


def _toml(value: Any) -> str:
    if isinstance(value, BaseModel):
        return _toml(getattr(value, "name", ""))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f"{value:_}" if isinstance(value, int) and value > 99_999 else str(value)
