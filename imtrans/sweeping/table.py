"""The table of a sweep, to be printed, and as files: SWEEP/table.md and SWEEP/table.json."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch

import imtrans
from imtrans.evaluation.comparison import Comparison, Interval, PairedDifference
from imtrans.evaluation.verdict import cautions, verdict_of, verdicts
from imtrans.host.files import write_whole
from imtrans.host.words import counted
from imtrans.runs.journal import unwritable
from imtrans.sweeping.planning import SweepPlan
from imtrans.sweeping.results import SweepResult, VariantResult

MARKDOWN, JSON = "table.md", "table.json"
Grid = tuple[list[str], list[list[str]]]  # headings, and rows


def write_table(plan: SweepPlan, result: SweepResult) -> None:
    """Write both files. Raises ImtransError when they cannot be written."""
    try:
        text = json.dumps(document(plan, result), indent=1, allow_nan=False, ensure_ascii=False)
        write_whole(plan.folder / JSON, text.encode())
        write_whole(plan.folder / MARKDOWN, markdown(plan, result).encode())
    except OSError as error:
        raise unwritable(plan.folder, error) from error


def values(result: SweepResult) -> Grid:
    """A row for each variant: its trainings, and each value with its interval."""
    comparison = result.comparison
    headings = ["variant", "seeds", "steps", "minutes"]
    names = list(comparison.values) if comparison else []
    headings += [f"{name} ({_sense(comparison, name)})" for name in names if comparison]
    rows = []
    for number, one in enumerate(result.variants):
        row = [one.name, str(len(one.seeds)), _span(one.steps), f"{one.mean_seconds / 60:.3g}"]
        if comparison:
            row += [
                _with_interval(comparison.values[name][number], comparison.intervals[name][number])
                for name in names
            ]
        rows.append(row)
    return headings, rows


def turned(grid: Grid) -> Grid:
    """Rows as columns: of a few variants and many metrics, what a terminal has room for."""
    headings, *rows = zip(*[grid[0], *grid[1]], strict=True)
    return list(headings), [list(row) for row in rows]


def differences(comparison: Comparison) -> Grid:
    """A row for each variant but the first: how far it is from that, and what that means."""
    first, *others = comparison.sides
    headings = [f"difference from {first.name}", *comparison.differences]
    rows = [
        [side.name, *(_difference(row[number]) for row in comparison.differences.values())]
        for number, side in enumerate(others)
    ]
    return headings, rows


def notes(plan: SweepPlan, result: SweepResult) -> Iterator[str]:
    """Sentences below the tables: what they say, and what a reader should know."""
    comparison = result.comparison
    yield from verdicts(comparison) if comparison else ()
    for line in (*result.notes(plan), *(cautions(comparison) if comparison else ())):
        yield f"note: {line}"


def markdown(plan: SweepPlan, result: SweepResult) -> str:
    """The tables to be copied into a page, with how they were made."""
    file = plan.file
    parts = [f"# {file.title or file.name}", _made(plan), _as_markdown(values(result))]
    if result.comparison:
        parts.append(_as_markdown(differences(result.comparison)))
    parts.append("\n".join(f"- {line}" for line in [*result.failures, *notes(plan, result)]))
    return "\n\n".join(part for part in parts if part) + "\n"


def document(plan: SweepPlan, result: SweepResult) -> dict[str, Any]:
    """All of it for programs."""
    comparison = result.comparison
    return {
        "imtrans": imtrans.__version__,
        "torch": torch.__version__,
        "sweep": plan.file.name,
        "title": plan.file.title,
        "equal": plan.file.equal,
        "device": plan.device_name,
        "images": len(comparison.images) if comparison else 0,
        "variants": [
            _facts(plan, one, comparison, number) for number, one in enumerate(result.variants)
        ],
        "failed": {run.name: why for run, why in result.failed.items()},
        "notes": list(notes(plan, result)),
    }


def _facts(
    plan: SweepPlan, one: VariantResult, comparison: Comparison | None, number: int
) -> dict[str, Any]:
    facts = asdict(one) | {"epochs": plan.tasks[one.name].recipe.train.epochs}
    if one.name in plan.times:
        facts["step"] = asdict(plan.times[one.name].time)
    if comparison is None:
        return facts
    facts["values"] = {
        name: {"value": row[number], "interval": comparison.intervals[name][number]}
        for name, row in comparison.values.items()
    }
    if number:
        facts["differences"] = {
            name: asdict(row[number - 1]) | {"better": row[number - 1].better}
            for name, row in comparison.differences.items()
        }
    return facts


def _made(plan: SweepPlan) -> str:
    lasting = {
        None: "Each variant trains for its own epochs.",
        "time": "All variants train for the time of the first.",
        "steps": "All variants train for the steps of the first.",
    }[plan.file.equal]
    seeds = counted(len(plan.file.seeds), "seed")
    return (
        f"`imtrans sweep {plan.file.name}`, imtrans {imtrans.__version__}, torch "
        f"{torch.__version__}, {plan.device_name}; {seeds}. {lasting} Minutes are of training "
        "alone, the mean of the seeds; intervals are of 95 %."
    )


def _as_markdown(grid: Grid) -> str:
    headings, rows = grid
    body = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in body)


def _sense(comparison: Comparison, name: str) -> str:
    higher = comparison.differences[name][0].higher_is_better
    return "higher is better" if higher else "lower is better"


def _span(steps: Sequence[int]) -> str:
    """One number, or the smallest and the largest."""
    low, high = min(steps), max(steps)
    return f"{low}" if low == high else f"{low} to {high}"


def _with_interval(value: float, interval: Interval | None) -> str:
    if interval is None:
        return f"{value:.4g}"
    return f"{value:.4g} ({interval[0]:.4g} to {interval[1]:.4g})"


def _difference(one: PairedDifference) -> str:
    verdict = verdict_of(one)
    if one.low is None or one.high is None:
        return f"{one.value:+.3g}, {verdict}"
    return f"{one.value:+.3g} ({one.low:+.3g} to {one.high:+.3g}), {verdict}"
