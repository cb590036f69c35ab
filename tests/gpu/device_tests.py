"""Part `tests`: the tests that need a GPU, run by pytest in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from report import table
from work import PutOff, Work

ROOT = Path(__file__).parents[2]
LAST = 12  # lines of a failure that are kept
MARK = "mark.gpu"


def measure(work: Work) -> None:
    work.take({"pytest": partial(_run, work)})


def lines(results: dict[str, Any]) -> Iterator[str]:
    found = results.get("pytest")
    if not found:
        return
    counts = ", ".join(f"{count} {what}" for what, count in found["counts"].items())
    yield f"`{found['command']}`: {counts}"
    yield ""
    yield from table(("s", "slowest"), [(test["s"], test["name"]) for test in found["slowest"]])
    for test in found["failures"]:
        yield from ["", f"**{test['name']}**", "", "```", *test["last lines"], "```"]


def files() -> list[str]:
    """The files that hold tests for a GPU: others may need more than a bare machine has."""
    found = [*ROOT.glob("tests/*/test_*.py"), *ROOT.glob("plugins/*/tests/test_*.py")]
    holding = [path for path in sorted(found) if MARK in path.read_text(encoding="utf-8")]
    return [path.relative_to(ROOT).as_posix() for path in holding]


def _run(work: Work) -> dict[str, Any]:
    # In miniature, quick ones that need no GPU.
    chosen = ["tests/training/test_schedules.py"] if work.smoke else ["-m", "gpu", *files()]
    report = work.out / "tests.xml"
    words = ["-v", "-W", "default", "-p", "no:cacheprovider", "-p", "no:xdist", *chosen]
    command = [sys.executable, "-m", "pytest", *words, f"--junitxml={report}"]
    report.unlink(missing_ok=True)
    ended = "it ended without a report"
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            timeout=max(work.left(), 30),
            capture_output=True,
            text=True,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # whatever else is there
        )
        ended = done.stdout[-1500:] + done.stderr[-1500:]
    except subprocess.TimeoutExpired as error:
        seen = (error.stdout or b"").decode(errors="replace")[-800:]
        raise PutOff(f"pytest took longer; it had said: {seen}") from error
    if not report.is_file():
        raise RuntimeError(ended)
    found = {"command": "pytest " + " ".join(words), **read(report)}
    if found["failures"]:
        names = ", ".join(test["name"] for test in found["failures"])
        work.results.fail(work.part, "pytest", f"{len(found['failures'])} failed: {names}")
    return found


def read(report: Path) -> dict[str, Any]:
    """Counts, failures with their last lines, and the slowest tests of a JUnit report."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    failures = []
    for case in cases:
        fault = next((child for child in case if child.tag in ("failure", "error")), None)
        skipped = case.find("skipped") is not None
        counts["failed" if fault is not None else "skipped" if skipped else "passed"] += 1
        if fault is not None:
            text = (fault.text or fault.get("message") or "").strip().splitlines()
            failures.append({"name": _name(case), "last lines": text[-LAST:]})
    slowest = sorted(cases, key=lambda case: -float(case.get("time", 0)))[:8]
    shown = [{"name": _name(case), "s": float(case.get("time", 0))} for case in slowest]
    return {"counts": counts, "failures": failures, "slowest": shown}


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '')}.{case.get('name', '')}"
