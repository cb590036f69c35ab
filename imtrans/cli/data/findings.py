"""The report of `imtrans data check`, as text or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imtrans.cli.common import say
from imtrans.cli.findings import print_table
from imtrans.host.words import counted

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.checking.finding import Finding


@dataclass
class Summary:
    """What was checked, and how long it took."""

    origin: str  # a recipe, or a folder and its guessed layout
    training: int  # pairs, or unpaired pictures
    validation: int
    unit: str = "pairs"
    note: str = ""  # on the unit
    seconds: float = 0.0

    @property
    def opening(self) -> str:
        return f"{self._training} to train on, {self.validation} for validation{self.note}"

    @property
    def _training(self) -> str:
        return f"{self.origin}: {self.training} {self.unit}"

    @property
    def pairs(self) -> int:
        return self.training + self.validation

    @property
    def speed(self) -> float:
        return self.pairs / max(self.seconds, 1e-9)


def print_report(out: "Console", summary: Summary, findings: "Sequence[Finding]") -> None:
    """A table for each finding, then one line about all."""
    for finding in findings:
        say(out, "")
        print_table(out, finding)
    tally = ", ".join(_tally(findings, severity) for severity in ("error", "warning"))
    say(out, "")
    seconds, speed = f"{summary.seconds:.1f} s", f"{summary.speed:.0f}/s"
    say(out, f"{summary.pairs} {summary.unit} opened in {seconds} ({speed}): {tally}")


def _tally(findings: "Sequence[Finding]", severity: str) -> str:
    return counted(sum(finding.severity == severity for finding in findings), severity)


def document(summary: Summary, findings: "Sequence[Finding]") -> str:
    """The same as JSON, with every row."""
    about = {
        "origin": summary.origin,
        "training": summary.training,
        "validation": summary.validation,
        "unit": summary.unit,
        "seconds": summary.seconds,
    }
    listed = [
        {
            "key": finding.subject,
            "title": finding.message,
            "severity": finding.severity,
            "rows": [row._asdict() for row in finding.rows],
            "remedy": finding.remedy,
        }
        for finding in findings
    ]
    return json.dumps(about | {"findings": listed}, indent=2)
