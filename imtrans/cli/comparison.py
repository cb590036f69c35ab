"""`imtrans runs compare`: recipes and metrics of some runs, side by side."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imtrans.api.errors import ImtransError
from imtrans.cli.common import complain, say, say_wrapped
from imtrans.cli.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.recipe.schema import Recipe
    from imtrans.runs.listing import Run


def print_comparison(out: "Console", folders: Sequence[Path]) -> None:
    """What differs between the recipes, then the metrics. Raises ImtransError."""
    from imtrans.runs.measurements import directions

    higher = directions()
    runs = [_run(folder, higher) for folder in folders]
    if len(runs) < 2:
        raise ImtransError("name two runs or more: imtrans runs compare runs/one runs/other")
    for run in runs:
        if run.problem:
            complain(f"warning: {run.path}: {run.problem}")
    names = [str(folder) for folder in folders]
    _print_recipes(out, names, [run.recipe for run in runs])
    say(out, "")
    _print_metrics(out, names, runs, higher)


def _run(folder: Path, higher: dict[str, bool]) -> "Run":
    from imtrans.runs.listing import find_run, is_run, look_at

    found = find_run(folder)
    if found is None and not folder.is_dir():
        raise ImtransError(f"{folder}: no such run")
    if found is None or not is_run(found):
        raise ImtransError(f"{folder}: not a run; `imtrans runs list {folder}` lists those below")
    return look_at(found, found, higher)


def _print_recipes(out: "Console", names: list[str], recipes: "list[Recipe | None]") -> None:
    """A row for each key whose values differ."""
    from imtrans.recipe.flat import differing, flat

    differ = differing([flat(recipe) for recipe in recipes])
    rows = [[key, *map(_shown, values)] for key, values in differ.items()]
    if not rows:
        say(out, "the recipes are equal")
        return
    print_table(out, ["recipe", *names], rows)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _print_metrics(
    out: "Console", names: list[str], runs: "list[Run]", higher: dict[str, bool]
) -> None:
    from imtrans.runs.measurements import in_common

    measured = in_common(run.metrics for run in runs)
    rows = [["steps", *(f"{run.step}, {run.state}" for run in runs)]]
    for name in measured:
        sense = f" ({'higher' if higher[name] else 'lower'} is better)" if name in higher else ""
        rows.append([f"{name}{sense}", *(_series(run, name) for run in runs)])
    print_table(out, ["validation", *names], rows)
    if not measured:
        say(out, "nothing was measured on validation pairs")
    elif len({run.measured_on for run in runs}) > 1:
        say_wrapped(
            out,
            "these metrics do not compare: the runs have other validation pairs or sizes, or one "
            "has measured nothing",
        )


def _series(run: "Run", name: str) -> str:
    found = run.metrics.get(name)
    if found is None:
        return "-"
    last = f"last {found.last:.4g}"
    return last if found.best is None else f"{found.best:.4g} at {found.best_step}, {last}"
