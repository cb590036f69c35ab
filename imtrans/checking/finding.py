"""One finding of a check: what it is about, how serious it is, and what to do.

`imtrans data check`, `imtrans doctor` and `imtrans check` all report findings.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["ok", "note", "warning", "error"]


class Row(NamedTuple):
    """One file, pair or side that a finding is about, and what was seen there."""

    name: str
    detail: str


@dataclass(frozen=True)
class Finding:
    """What a check says about one subject.

    The severities: `ok`; `note`, worth knowing; `warning`, results may be worse; `error`, training
    would fail, or what it reports would not be true.
    """

    subject: str  # a word or two, also for programs: "gpu", "near-duplicate"
    message: str  # one line
    severity: Severity = "ok"
    rows: tuple[Row, ...] = ()
    remedy: str = ""  # what to do, one line; empty where nothing is to be done


def finding_of(
    subject: str, message: str, severity: Severity, rows: Iterable[Row], remedy: str
) -> list[Finding]:
    """The finding about these rows; an empty list if there are none."""
    listed = tuple(rows)
    return [Finding(subject, message, severity, listed, remedy)] if listed else []
