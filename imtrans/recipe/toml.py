"""The two things that tomllib cannot do: say the line of a key, and write."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from imtrans.host.words import is_shown

Location = tuple[str | int, ...]


# What ends a statement, and what hides such an end: texts of four kinds, comments, brackets.
TOKEN = re.compile(
    r'''
    """ [^"\\]* (?: (?: \\. | "(?!"") ) [^"\\]* )* "{3,5}
    | \'{3} .*? \'{3,5}
    | " [^"\\\n]* (?: \\. [^"\\\n]* )* "
    | ' [^'\n]* '
    | \# [^\n]*
    | [][{}\n]
    ''',
    re.DOTALL | re.VERBOSE,
)


def lines(text: str) -> dict[Location, int]:
    """The line of each key of a valid TOML text. Arrays of tables get their index.

    tomllib gives no positions, so it is given one statement at a time.
    """
    found: dict[Location, int] = {}
    table: Location = ()
    counts: dict[Location, int] = {}
    for line, statement in _statements(text):
        parsed = tomllib.loads(statement)
        if statement.lstrip().startswith("["):
            table = _leaf(parsed)
            if statement.lstrip().startswith("[["):
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            found.setdefault(table, line)
        else:
            for key in _leaves(parsed):
                found.setdefault((*table, *key), line)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each header and each `key = value` of a valid TOML text, and the line on which it begins.

    In one pass: to ask tomllib after each line whether a statement is whole takes a time that
    grows with the square of its length.
    """
    start = depth = newlines = 0
    line = 1
    for token in TOKEN.finditer(text):
        what = token[0]
        newlines += what.count("\n")
        depth += (what in "[{") - (what in "]}")
        if what == "\n" and not depth:
            yield line, text[start : token.end()]
            start, line = token.end(), newlines + 1
    yield line, text[start:]


def _leaf(header: dict[str, Any]) -> Location:
    """The path that a `[a.b]` or `[[a]]` header names."""
    path: list[str] = []
    value: Any = header
    while isinstance(value, dict) and value:
        ((key, value),) = value.items()
        path.append(key)
    return tuple(path)


def _leaves(values: Mapping[str, Any]) -> Iterator[Location]:
    """The path of each key; without recursion, since keys may be nested deeply."""
    waiting: list[tuple[Location, Any]] = [((), values)]
    while waiting:
        path, value = waiting.pop()
        if path:
            yield path
        if isinstance(value, dict):
            waiting += [((*path, key), inner) for key, inner in reversed(value.items())]


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
    # JSON's texts, numbers and booleans are TOML's, but for one control character. Whatever a
    # terminal would obey is escaped like it: a recipe is printed too.
    return "".join(map(_escaped, json.dumps(value, ensure_ascii=False)))


def _escaped(letter: str) -> str:
    if is_shown(letter):
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"
