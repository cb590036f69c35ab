"""One choice of a drafted recipe, and the whole of them as text."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from imtrans.host.words import plain
from imtrans.recipe import toml

WIDTH = 100
LONGEST = 2000  # letters of a comment
COLUMN = 36  # before which reasons begin, where rows are as short
LOSS = "[[loss]]"
# As recipes have them, one after the other.
TABLES = ["", "data", "method", "generator", "discriminator", "adversarial", LOSS]
TABLES += ["train", "validate"]


class Choice(NamedTuple):
    """A key of a recipe, its value, and why it has it."""

    table: str  # as 'data.source'; '' for the top of the recipe, '[[loss]]' for an entry of a list
    key: str
    value: Any
    reason: str = ""

    @property
    def path(self) -> str:
        plain_key = not self.table or self.table.startswith("[[")
        return self.key if plain_key else f"{self.table}.{self.key}"

    @property
    def shown(self) -> str:
        """The value as TOML."""
        return toml.dumps({"k": self.value}).removeprefix("k = ").strip()


def recipe_text(opening: str, choices: Sequence[Choice]) -> str:
    """The choices as a recipe: their tables in order, each reason as a comment."""
    blocks = ["\n".join(_comment(opening))]
    for table, rows in _tables(choices):
        header = [table if table.startswith("[[") else f"[{table}]"] if table else []
        blocks.append("\n".join([*header, *_rows(rows)]))
    return "\n\n".join(blocks) + "\n"


def _tables(choices: Sequence[Choice]) -> Iterator[tuple[str, list[Choice]]]:
    """Each table with its rows, in the order of TABLES; every loss is one of its own."""
    for table in sorted(dict.fromkeys(choice.table for choice in choices), key=_place):
        rows = [choice for choice in choices if choice.table == table]
        if table != LOSS:
            yield table, rows
            continue
        starts = [at for at, choice in enumerate(rows) if choice.key == "name"]
        for start, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            yield table, rows[start:end]


def _place(table: str) -> int:
    """Where a table comes; those that TABLES does not have are the last."""
    first = table if table.startswith("[[") else table.partition(".")[0]
    return TABLES.index(first) if first in TABLES else len(TABLES)


def _rows(choices: Sequence[Choice]) -> Iterator[str]:
    width = max(len(choice.key) for choice in choices)
    rows = [f"{choice.key:<{width}} = {choice.shown}" for choice in choices]
    # Reasons begin in one column, but for those of long rows.
    column = max((len(row) for row in rows if len(row) <= COLUMN), default=0)
    for row, choice in zip(rows, choices, strict=True):
        reason = plain(choice.reason, LONGEST)
        whole = f"{row:<{column}}  # {reason}"
        if reason and len(whole) <= WIDTH:
            yield whole
            continue
        yield from _comment(reason)
        yield from [row] if len(row) <= WIDTH else _broken(f"{choice.key:<{width}}", choice.value)


def _broken(key: str, values: Sequence[Any]) -> Iterator[str]:
    """A long list in several lines."""
    shown = ", ".join(toml.dumps({"k": value}).removeprefix("k = ").strip() for value in values)
    # Broken between its parts, not within them.
    lines = textwrap.wrap(shown.replace(", ", ",\0").replace("],\0", "], "), WIDTH - 8)
    yield f"{key} = ["
    for line in lines:
        yield "    " + line.replace(",\0", ", ") + ("," if line is lines[-1] else "")
    yield "]"


def _comment(text: str) -> list[str]:
    wrapped = textwrap.wrap(
        plain(text, LONGEST), WIDTH - 2, break_on_hyphens=False, break_long_words=False
    )
    return [f"# {line}" for line in wrapped]
