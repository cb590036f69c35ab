"""How findings are printed, alike in `data check`, `doctor` and `check`."""

from typing import TYPE_CHECKING

from imtrans.cli.common import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.text import Text

    from imtrans.checking.finding import Finding

STYLES = {"ok": "green", "note": "yellow", "warning": "yellow", "error": "bold red"}
ROWS = 10  # of a finding that are shown


def print_line(out: "Console", finding: "Finding") -> None:
    """A finding on one line: `note  compiler  no C++ compiler -> install g++ or clang`."""
    # Padded here: rich would count the style as part of the width.
    out.print(_severity(finding), end=" " * (8 - len(finding.severity)))
    remedy = f" -> {finding.remedy}" if finding.remedy else ""
    say(out, f"{finding.subject:<12} {finding.message}{remedy}")


def print_table(out: "Console", finding: "Finding") -> None:
    """A finding with its rows below it, and its remedy last."""
    out.print(_severity(finding), end=": ")
    say(out, finding.message)
    shown = finding.rows[:ROWS]
    width = max((len(row.name) for row in shown), default=0)
    for row in shown:
        # Not a rich table: it truncates names where no terminal says how wide it is.
        say(out, f"  {row.name:<{width}}  {row.detail}")
    if len(finding.rows) > ROWS:
        say(out, f"  and {len(finding.rows) - ROWS:,} more (--json lists all)")
    if finding.remedy:
        say(out, f"  -> {finding.remedy}")


def _severity(finding: "Finding") -> "Text":
    from rich.text import Text

    return Text(finding.severity, style=STYLES[finding.severity])


def any_error(findings: "Iterable[Finding]") -> bool:
    return any(finding.severity == "error" for finding in findings)
