"""How findings are printed, alike in `data check`, `doctor` and `check`."""

from typing import TYPE_CHECKING

from imtrans.cli.common import say, say_wrapped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from imtrans.checking.finding import Finding

STYLES = {"ok": "green", "note": "yellow", "warning": "yellow", "error": "bold red"}
ROWS = 10  # of a finding that are shown


def print_line(out: "Console", finding: "Finding") -> None:
    """A finding on one line: `note  compiler  no C++ compiler -> install g++ or clang`."""
    remedy = f" -> {finding.remedy}" if finding.remedy else ""
    text = f"{finding.severity:<8}{finding.subject:<12} {finding.message}{remedy}"
    _print_after_severity(out, finding, text, hang=21)


def print_table(out: "Console", finding: "Finding") -> None:
    """A finding with its rows below it, and its remedy last."""
    _print_after_severity(out, finding, f"{finding.severity}: {finding.message}", hang=2)
    shown = finding.rows[:ROWS]
    width = max((len(row.name) for row in shown), default=0)
    for row in shown:
        # Not a rich table: it truncates names where no terminal says how wide it is.
        say_wrapped(out, f"  {row.name:<{width}}  {row.detail}", hang=4)
    if len(finding.rows) > ROWS:
        say(out, f"  and {len(finding.rows) - ROWS:,} more (--json lists all)")
    if finding.remedy:
        say_wrapped(out, f"  -> {finding.remedy}", hang=3)


def _print_after_severity(out: "Console", finding: "Finding", text: str, *, hang: int) -> None:
    """The text, which begins with the severity, in colour; broken between words in a terminal."""
    from rich.text import Text

    from imtrans.host.words import readable, wrapped

    text = readable(text)
    if out.is_terminal:
        text = wrapped(text, out.width, hang)
    line = Text(text)
    line.stylize(STYLES[finding.severity], 0, len(finding.severity))
    out.print(line, soft_wrap=True)


def any_error(findings: "Iterable[Finding]") -> bool:
    return any(finding.severity == "error" for finding in findings)
