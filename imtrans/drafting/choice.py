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
    for table in dict.fromkeys(choice.table for choice in choices):
        rows = [choice for choice in choices if choice.table == table]
        header = [table if table.startswith("[[") else f"[{table}]"] if table else []
        blocks.append("\n".join([*header, *_rows(rows)]))
    return "\n\n".join(blocks) + "\n"


def _rows(choices: Sequence[Choice]) -> Iterator[str]:
    width = max(len(choice.key) for choice in choices)
    rows = [f"{choice.key:<{width}} = {choice.shown}" for choice in choices]
    # Reasons begin in one column, but for those of long rows.
    column = max((len(row) for row in rows if len(row) <= COLUMN), default=0)
    for row, choice in zip(rows, choices, strict=True):
        reason = plain(choice.reason, LONGEST)
        whole = f"{row:<{column}}  # {reason}"
        if len(whole) > WIDTH:
            yield from _comment(reason)
        yield whole if reason and len(whole) <= WIDTH else row


def _comment(text: str) -> list[str]:
    wrapped = textwrap.wrap(
        plain(text, LONGEST), WIDTH - 2, break_on_hyphens=False, break_long_words=False
    )
    return [f"# {line}" for line in wrapped]
