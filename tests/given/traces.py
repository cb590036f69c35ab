"""What a run leaves on the disk, to be compared with what another left."""

import json
from pathlib import Path
from typing import Any

SPEEDS = {"images_per_second", "waiting"}
OF_SESSIONS = {"sessions.jsonl", "report.html"}  # they say when and how often a run was continued


def traces(run_dir: Path) -> dict[str, Any]:
    """All that a run has learned and measured, but for speeds: file -> content, to be compared."""
    found: dict[str, Any] = {}
    for path in sorted(run_dir.rglob("*")):
        name = path.relative_to(run_dir).as_posix()
        if path.is_dir() or ".damaged" in name or name in OF_SESSIONS:
            continue
        if path.suffix == ".jsonl":
            found[name] = rows(path)
        else:
            found[name] = path.read_bytes()
    return found


def rows(path: Path) -> list[dict[str, Any]]:
    """A journal without what depends on the clock. Fails on a torn line."""
    read = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{k: v for k, v in row.items() if k not in SPEEDS} for row in read]


def differences(run_dir: Path, expected: dict[str, Any]) -> list[str]:
    """What differs from the traces of an uninterrupted run, in words."""
    found = traces(run_dir)
    told = [f"{name}: not there" for name in expected if name not in found]
    told += [f"{name}: left over" for name in found if name not in expected]
    for name in sorted(found.keys() & expected.keys()):
        if found[name] != expected[name]:
            told.append(f"{name}: differs" + _difference(found[name], expected[name]))
    for journal in ("metrics.jsonl", "validation.jsonl"):
        steps = [row["step"] for row in found.get(journal, [])]
        if steps != sorted(set(steps)):
            told.append(f"{journal}: the steps are {steps}")
    return told


def _difference(found: Any, expected: Any) -> str:
    if isinstance(found, list):
        return f": {[row for row in found if row not in expected][:2]}"
    return f": {len(found)} and {len(expected)} bytes"
