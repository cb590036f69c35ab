"""All that a page says about a run, gathered from its folder. What is damaged or missing becomes a
line of the page."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from imtrans.api.errors import ImtransError
from imtrans.host.words import counted
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import described
from imtrans.reporting.charts import Chart, chart
from imtrans.reporting.data_summary import DataSummary, OnPair, summarise_data
from imtrans.reporting.differences import FromShipped, from_shipped
from imtrans.reporting.evaluated import Evaluation, Triptych, evaluations
from imtrans.reporting.samples import Samples, read_samples
from imtrans.reporting.series import Log, read_log, shown
from imtrans.runs.journal import NO_LOSS
from imtrans.runs.listing import Run, look_at, newest_whole
from imtrans.runs.measurements import directions
from imtrans.runs.sessions import Session, sessions
from imtrans.task import Task

MOST_CHARTS = 24  # of losses, and of metrics
MOST_SESSIONS = 50
NAMED = 3  # files in a line about what is damaged
METRICS_IN_A_NOTE = 4
REASONS = ("first", "worst", "best")  # why an evaluation keeps a picture
UNSELECTED = "Not selected by how good they are."


@dataclass
class PictureGroup:
    """Pictures under one heading: the worst, the best. One may be in several groups."""

    title: str
    triptychs: list[Triptych]
    note: str = ""


@dataclass
class Material:
    """What a page about one run is made of."""

    run: Run
    described: str  # what trains, in a line
    recipe_text: str
    shipped: FromShipped | None
    data: DataSummary | None  # None: no recipe says which
    losses: list[Chart]
    metrics: list[Chart]
    speed: list[Chart]
    samples: Samples
    groups: list[PictureGroup]
    evaluations: list[Evaluation]
    sessions: list[Session]
    versions: list[tuple[str, str]]
    seconds: float | None  # spent on steps
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what was measured last at each frame


def gather(
    path: Path,
    *,
    task: Task | None = None,
    check_data: bool = False,
    on_pair: OnPair = lambda: None,
) -> Material:
    """Read everything in a run's folder. The `task` that trained it saves looking for its data
    again; `check_data` opens every picture."""
    higher = directions()
    run = look_at(path, path.parent, higher)
    losses, measured = (read_log(path / f"{name}.jsonl") for name in ("metrics", "validation"))
    found, problems = evaluations(path)
    header = newest_whole(path)
    names: list[str] = []
    with suppress(ImtransError):
        names = header.translators if header else []
    samples = read_samples(path, run.recipe.data.crop if run.recipe else None, names)
    if run.problem:
        problems.append(f"{run.problem}.")
    problems += [*torn(losses, "metrics.jsonl"), *torn(measured, "validation.jsonl")]
    problems += _unreadable(samples, found)
    if task is None and run.recipe:
        task = Task(run.recipe, catalog())
    return Material(
        run=run,
        described=described(run.recipe) if run.recipe else "",
        recipe_text=recipes.dumps(run.recipe) if run.recipe else "",
        shipped=from_shipped(run.recipe, path.resolve().name) if run.recipe else None,
        data=summarise_data(task, whole=check_data, on_pair=on_pair) if task else None,
        losses=_charts(losses, {}, leave=NO_LOSS),
        metrics=_charts(measured, higher),
        speed=_speed(losses),
        samples=samples,
        groups=_groups(found, samples),
        evaluations=found,
        sessions=sessions(path)[-MOST_SESSIONS:],
        versions=[(name, header.facts.get(name, "")) for name in ("imtrans", "torch")]
        if header
        else [],
        seconds=_seconds(losses, run),
        problems=problems,
        notes=_notes(measured, samples),
    )


def torn(log: Log, name: str) -> list[str]:
    """A line about what of a log cannot be read, if anything."""
    if not log.unreadable:
        return []
    lines = counted(log.unreadable, "line")
    return [
        f"{lines} of {name} cannot be read and {'is' if log.unreadable == 1 else 'are'} left out."
    ]


def _unreadable(samples: Samples, found: list[Evaluation]) -> list[str]:
    files = [f"samples/{name}" for name in samples.unreadable]
    files += [f"evaluation/{one.split}/{name}" for one in found for name in one.unread]
    if not files:
        return []
    named = ", ".join(files[:NAMED])
    more = f" and {len(files) - NAMED} more" if len(files) > NAMED else ""
    return [f"{counted(len(files), 'picture')} cannot be shown: {named}{more}."]


def _charts(
    log: Log,
    higher: Mapping[str, bool],
    *,
    leave: set[str] = frozenset(),  # type: ignore[assignment]
) -> list[Chart]:
    names = [name for name in log.series if name not in leave][:MOST_CHARTS]
    drawn = (chart(name, {name: log.series[name]}, higher=higher.get(name)) for name in names)
    return [one for one in drawn if one]


def _speed(log: Log) -> list[Chart]:
    titles = {
        "images_per_second": "images per second",
        "waiting": "share of time waiting for data",
        "learning_rate": "learning rate",
    }
    drawn = (
        chart(title, {title: log.series[name]}, zero=True, smooth=name != "learning_rate")
        for name, title in titles.items()
        if name in log.series
    )
    return [one for one in drawn if one]


def _seconds(log: Log, run: Run) -> float | None:
    """The time that the logged steps took, without validation, samples and checkpoints."""
    rate = log.series.get("images_per_second")
    if rate is None or run.recipe is None:
        return None
    images = run.recipe.train.batch_size * run.recipe.train.accumulate
    before, total = 0.0, 0.0
    for step, value in zip(rate.steps, rate.values, strict=True):
        if value > 0:
            total += (step - before) * images / value
        before = step
    return total or None


def _notes(log: Log, samples: Samples) -> list[str]:
    """For each frame of the film the metrics that were measured last before it."""
    notes = []
    for frame in samples.film.frames if samples.film else ():
        parts = []
        for name, series in list(log.series.items())[:METRICS_IN_A_NOTE]:
            at = int(np.searchsorted(series.steps, frame.step, side="right")) - 1
            if at >= 0:
                parts.append(f"{name} {shown(float(series.values[at]))}")
        notes.append(", ".join(parts))
    return notes


def _groups(found: list[Evaluation], samples: Samples) -> list[PictureGroup]:
    """The first, the worst and the best pictures of each evaluation; without any, the samples."""
    groups = [group for one in found for group in _groups_of(one, len(found) > 1)]
    if groups or not samples.cells:
        return groups
    names = ("source", "output", "target")
    rows = [
        Triptych(name, [], {}, dict(zip(names, row, strict=False)))
        for name, row in zip(_sample_names(samples), samples.cells, strict=True)
    ]
    return [PictureGroup(f"Samples at step {samples.step:,}", rows)]


def _sample_names(samples: Samples) -> list[str]:
    translators = samples.film.translators if samples.film else []
    each = len(samples.cells) // max(len(translators), 1)
    if len(translators) < 2:
        return [f"sample {number}" for number in range(1, each + 1)]
    return [f"{name}, sample {number}" for name in translators for number in range(1, each + 1)]


def _groups_of(one: Evaluation, several: bool) -> list[PictureGroup]:
    """Every picture of each group, however many groups it is in."""
    by = f" by {one.main}" if one.main else ""
    place = f", {one.split}" if several else ""
    first, worst, best = ([row for row in one.triptychs if why in row.why] for why in REASONS)
    others = [row for row in one.triptychs if not set(row.why) & set(REASONS)]
    groups = [
        PictureGroup(f"First by name{place}", first, UNSELECTED),
        PictureGroup(f"Worst{by}{place}", _ordered(worst, one, ascending=True)),
        PictureGroup(f"Best{by}{place}", _ordered(best, one, ascending=False)),
        PictureGroup(f"Others{place}", others),
    ]
    return [group for group in groups if group.triptychs]


def _ordered(rows: list[Triptych], one: Evaluation, *, ascending: bool) -> list[Triptych]:
    """By how good they are, the worst first if `ascending`; as they are where that is not known."""
    higher = next((score.higher for score in one.scores if score.name == one.main), None)
    if higher is None or not all(row.main for row in rows):
        return rows
    return sorted(rows, key=lambda row: row.main[1] if row.main else 0, reverse=higher != ascending)
