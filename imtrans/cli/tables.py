"""Tables of text that fit the terminal and break no word.

rich's tables break words in the middle where columns get narrow, and truncate where no terminal
says how wide it is.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imtrans.cli.common import say
from imtrans.host.words import readable, wrapped

if TYPE_CHECKING:
    from rich.console import Console

GAP = 2  # columns between two cells
Row = Sequence[str]


def print_table(out: "Console", headings: Row, rows: Sequence[Row]) -> None:
    """The rows below their headings. What does not fit is broken between words, in the widest
    cells; where that is not enough, each row becomes a paragraph."""
    cells = [[readable(cell) for cell in row] for row in rows]
    widths = _widths([headings, *cells], out.width)
    if widths is None:
        _print_paragraphs(out, headings, cells)
        return
    _print_row(out, headings, widths, bold=True)
    for row in cells:
        _print_row(out, row, widths)


def natural_width(rows: Sequence[Row]) -> int:
    """The columns that a table takes with no cell broken."""
    return sum(map(max, zip(*_lengths(rows), strict=True))) + GAP * (len(rows[0]) - 1)


def _widths(rows: Sequence[Row], width: int) -> list[int] | None:
    """Of each column, so that they fit together; None if there are words too long for that."""
    widths = [max(column) for column in zip(*_lengths(rows), strict=True)]
    least = [
        max(_cells(word) for cell in column for word in (cell.split() or [""]))
        for column in zip(*rows, strict=True)
    ]
    excess = sum(widths) + GAP * (len(widths) - 1) - width
    while excess > 0:
        widest = max(range(len(widths)), key=lambda i: (widths[i] > least[i], widths[i]))
        if widths[widest] <= least[widest]:
            return None
        widths[widest] -= 1
        excess -= 1
    return widths


def _print_row(out: "Console", row: Row, widths: Sequence[int], *, bold: bool = False) -> None:
    from itertools import zip_longest

    from rich.text import Text

    columns = [wrapped(cell, width, 0).split("\n") for cell, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*columns, fillvalue=""):
        padded = (
            part + " " * (width - _cells(part)) for part, width in zip(parts, widths, strict=True)
        )
        line = Text((" " * GAP).join(padded).rstrip(), style="bold" if bold else "")
        out.print(line, soft_wrap=True)


def _print_paragraphs(out: "Console", headings: Row, rows: Sequence[Row]) -> None:
    width = max(map(len, headings))
    for row in rows:
        for index, (heading, cell) in enumerate(zip(headings, row, strict=True)):
            indent = "  " if index else ""
            if cell or not index:
                line = f"{indent}{heading:<{width}}  {cell}"
                say(out, wrapped(line, out.width, width + 2))


def _lengths(rows: Sequence[Row]) -> list[list[int]]:
    return [[_cells(cell) for cell in row] for row in rows]


def _cells(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)
