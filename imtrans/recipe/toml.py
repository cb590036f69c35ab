"""The two things that tomllib cannot do: say the line of a key, and write."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Location = tuple[str | int, ...]


def lines(text: str) -> dict[Location, int]:
    """The line of each key of a valid TOML text.

    tomllib gives no positions, so it is given one statement at a time: a line, and further lines
    while the statement is not complete. Arrays of tables get their index.
    """
    found: dict[Location, int] = {}
    table: Location = ()
    counts: dict[Location, int] = {}
    rows = text.splitlines()
    at = 0
    while at < len(rows):
        start, statement = at, rows[at]
        at += 1
        while (parsed := _parsed(statement)) is None and at < len(rows):
            statement += "\n" + rows[at]
            at += 1
        if statement.lstrip().startswith("["):
            table = _leaf(parsed or {})
            if statement.lstrip().startswith("[["):
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found.setdefault(table, start + 1)
        else:
            for key in _leaves(parsed or {}):
                found.setdefault((*table, *key), start + 1)
    return found


def _parsed(statement: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return None


def _leaf(header: dict[str, Any]) -> Location:
    """The path that a `[a.b]` or `[[a]]` header names."""
    path: list[str] = []
    value: Any = header
    while isinstance(value, dict) and value:
        ((key, value),) = value.items()
        path.append(key)
    return tuple(path)


def _leaves(values: Any) -> Iterator[Location]:
    for key, value in values.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *rest) for rest in _leaves(value))


def dumps(values: Mapping[str, Any], path: str = "") -> str:
    """Nested tables as TOML: plain keys, then tables, then arrays of tables."""
    plain = {k: v for k, v in values.items() if not _holds_tables(v)}
    blocks = [_block(f"[{path}]" if path else "", plain)] if plain else []
    for key, value in values.items():
        inner = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            blocks.append(dumps(value, inner))
        elif _holds_tables(value):
            blocks += [_block(f"[[{inner}]]", table) for table in value]
    return "\n".join(blocks)


def _holds_tables(value: Any) -> bool:
    # A list of tables and other things, as of metrics with and without options, has one line.
    return isinstance(value, Mapping) or (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(entry, Mapping) for entry in value)
    )


def _block(header: str, table: Mapping[str, Any]) -> str:
    rows = [header] if header else []
    return "\n".join([*rows, *(f"{key} = {_toml(value)}" for key, value in table.items()), ""])


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    # JSON's texts, numbers and booleans are TOML's, but for one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
