"""One choice of a drafted recipe, and the whole of them as text."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from imtrans.recipe import toml

WIDTH = 100
LOSS = "[[loss]]"


class Choice(NamedTuple):
    """A key of a recipe, its value, and why it has it."""

    table: str  # as 'data.source'; '' for the top of the recipe, LOSS for an entry of the losses
    key: str
    value: Any
    reason: str = ""

    @property
    def path(self) -> str:
        return f"{self.table}.{self.key}" if self.table not in ("", LOSS) else self.key

    @property
    def shown(self) -> str:
        """The value as TOML."""
        return toml.dumps({"k": self.value}).removeprefix("k = ").strip()


def recipe_text(opening: str, choices: Sequence[Choice]) -> str:
    """The choices as a recipe: their tables in order, each reason as a comment."""
    blocks = ["\n".join(_comment(opening))]
    for table in dict.fromkeys(choice.table for choice in choices):
        rows = [choice for choice in choices if choice.table == table]
        header = [table if table == LOSS else f"[{table}]"] if table else []
        blocks.append("\n".join([*header, *_rows(rows)]))
    return "\n\n".join(blocks) + "\n"


def _rows(choices: Sequence[Choice]) -> Iterator[str]:
    width = max(len(choice.key) for choice in choices)
    for choice in choices:
        row = f"{choice.key:<{width}} = {choice.shown}"
        if len(row) + len(choice.reason) + 4 > WIDTH:
            yield from _comment(choice.reason)
            yield row
        else:
            yield f"{row}  # {choice.reason}" if choice.reason else row


def _comment(text: str) -> list[str]:
    # Whatever a name holds, a line break of it must not end the comment.
    printable = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"')
    return [f"# {line}" for line in textwrap.wrap(printable, WIDTH - 2, break_on_hyphens=False)]
