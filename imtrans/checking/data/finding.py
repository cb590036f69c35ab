"""One thing that a check found: what, how grave, where, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]


class Row(NamedTuple):
    """One file or pair of a finding, and what was seen there."""

    name: str
    detail: str


@dataclass(frozen=True)
class Finding:
    """`error`: training would fail, or what it reports would not be true."""

    key: str  # one word, for programs
    title: str
    severity: Severity
    rows: tuple[Row, ...]
    remedy: str  # what to do, in one line


def found(
    key: str, title: str, severity: Severity, rows: Iterable[Row], remedy: str
) -> list[Finding]:
    """The finding, or none where it has no rows."""
    listed = tuple(rows)
    return [Finding(key, title, severity, listed, remedy)] if listed else []


def count(number: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
