"""What a check found, as a person or a program reads it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from imtrans.cli.common import say

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.checking.data.finding import Finding

ROWS = 10  # of a finding that are shown; --json has all
STYLES = {"error": "bold red", "warning": "yellow", "note": "green"}


@dataclass
class Summary:
    """What was checked, and how long it took."""

    origin: str  # a recipe, or a folder and what it was taken for
    training: int  # pairs, or unpaired pictures
    held_out: int
    unit: str = "pairs"  # or pictures
    seconds: float = 0.0

    @property
    def opening(self) -> str:
        return f"{self.origin}: {self.training} {self.unit} to train on, {self.held_out} held out"

    @property
    def speed(self) -> float:
        return (self.training + self.held_out) / max(self.seconds, 1e-9)


def tell(out: "Console", summary: Summary, findings: "Sequence[Finding]") -> None:
    """A table for each finding, then one line of all."""
    for finding in findings:
        say(out, "")
        _tell(out, finding)
    opened = f"{summary.training + summary.held_out} {summary.unit} opened"
    tally = ", ".join(_tally(findings, severity) for severity in ("error", "warning"))
    say(out, "")
    say(out, f"{opened} in {summary.seconds:.1f} s ({summary.speed:.0f}/s): {tally}")


def _tell(out: "Console", finding: "Finding") -> None:
    style = STYLES[finding.severity]
    out.print(f"[{style}]{finding.severity}[/]: ", end="")
    say(out, finding.title)
    shown = finding.rows[:ROWS]
    width = max(len(row.name) for row in shown)
    for row in shown:
        # Not a rich table: it cuts names off where no terminal says how wide it is.
        say(out, f"  {row.name:<{width}}  {row.detail}")
    if len(finding.rows) > ROWS:
        say(out, f"  and {len(finding.rows) - ROWS:,} more (--json lists all)")
    say(out, f"  -> {finding.remedy}")


def _tally(findings: "Sequence[Finding]", severity: str) -> str:
    number = sum(finding.severity == severity for finding in findings)
    return f"{number} {severity}{'' if number == 1 else 's'}"


def document(summary: Summary, findings: "Sequence[Finding]") -> str:
    """The same with every row, as JSON."""
    told = [
        asdict(finding) | {"rows": [row._asdict() for row in finding.rows]} for finding in findings
    ]
    return json.dumps(asdict(summary) | {"findings": told}, indent=2)
