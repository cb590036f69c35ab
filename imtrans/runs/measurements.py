"""What a run measured on its validation pairs, and whether another run's numbers compare."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imtrans.recipe.schema import Recipe
from imtrans.runs.journal import Journal

# Of [data]: what the validation pairs and the measured pixels depend on.
MEASURED = (
    "root",
    "layout",
    "validation",
    "direction",
    "derive",
    "source",
    "target",
    "resize",
    "load_size",
    "crop_size",
    "draft",
)


@dataclass(frozen=True)
class Series:
    """A metric over a run: its best and its last value, each with its step."""

    last: float
    last_step: int
    best: float | None = None  # None where it is unknown whether higher is better
    best_step: int = 0

    def facts(self) -> dict[str, Any]:
        return asdict(self)


def measurements(run: Path, higher: Mapping[str, bool]) -> dict[str, Series]:
    """Each metric of a run. `higher` says whether higher is better. Step 0, of untrained networks,
    does not count."""
    series: dict[str, Series] = {}
    for step, values in Journal(run).measured_until(2**63):
        for name, value in values.items() if step > 0 else ():
            series[name] = _with(series.get(name), value, step, higher.get(name))
    return series


def _with(before: Series | None, value: float, step: int, higher: bool | None) -> Series:
    if higher is None:
        return Series(value, step)
    if before is None or before.best is None:
        return Series(value, step, value, step)
    better = value > before.best if higher else value < before.best
    best, best_step = (value, step) if better else (before.best, before.best_step)
    return Series(value, step, best, best_step)


def training_seconds(run: Path, recipe: Recipe) -> float:
    """How long the steps of a run took by its log, with the waiting for data, and without what was
    measured and written between them. Steps that were taken again after a kill count once."""
    seconds, before = 0.0, 0
    images = recipe.train.batch_size * recipe.train.accumulate
    for record in Journal(run).metrics.up_to(2**63):
        step, rate = int(record["step"]), record.get("images_per_second")
        if isinstance(rate, int | float) and rate > 0:
            seconds += (step - before) * images / rate
        before = step
    return seconds


def measured_on(recipe: Recipe) -> str:
    """Equal for recipes whose metrics compare: of the same validation pairs, at the same size."""
    data = recipe.data.model_dump(mode="json", include=set(MEASURED))
    if not isinstance(recipe.data.validation, str):  # a share, drawn from the seed
        data |= {"train": recipe.data.train, "seed": recipe.seed}
    return json.dumps([data, recipe.validation.pairs], sort_keys=True)


def directions() -> dict[str, bool]:
    """Of every installed metric, whether higher is better, where its class says so."""
    from imtrans.recipe.catalog import catalog

    found = ((one.name, getattr(one.made, "higher_is_better", None)) for one in catalog().metrics)
    return {name: higher for name, higher in found if isinstance(higher, bool)}


def in_common(measured: Iterable[Mapping[str, Series]]) -> list[str]:
    """The metrics that runs have, those of most runs first."""
    counts: dict[str, int] = {}
    for series in measured:
        for name in series:
            counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: -counts[name])
