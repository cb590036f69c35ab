"""All that a page about a comparison says, gathered from its evaluations and their runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from imtrans.api.errors import some
from imtrans.evaluation.comparison import Comparison
from imtrans.evaluation.verdict import cautions, verdicts
from imtrans.host.foreign import FAULTS
from imtrans.host.words import plain
from imtrans.recipe.flat import differing, flat
from imtrans.reporting.charts import Chart, chart
from imtrans.reporting.comparing.members import ComparedRun, runs_of, with_short_names
from imtrans.reporting.comparing.pictures import ComparedPictures, compared_pictures
from imtrans.reporting.comparing.values import ValueTable, tables
from imtrans.reporting.differences import text_of
from imtrans.reporting.evaluated import Evaluation, evaluation_of
from imtrans.reporting.gathering import MOST_CHARTS, torn
from imtrans.reporting.series import Log, read_log
from imtrans.runs.journal import NO_LOSS
from imtrans.runs.listing import newest_whole
from imtrans.runs.measurements import directions

NO_DIRECTIONS: Mapping[str, bool] = {}


@dataclass(frozen=True)
class Origin:
    """Where an evaluation came from."""

    side: str
    run: str  # its folder, or the outputs that were measured
    checkpoint: str
    step: str
    seed: str
    images: int
    version: str  # of imtrans, by which it was evaluated
    folder: str


@dataclass
class ComparisonMaterial:
    """What a page about a comparison is made of."""

    names: list[str]
    title: str  # of the recipe, where that is the same in all runs
    split: str
    images: int
    verdicts: list[str]
    cautions: list[str]
    tables: list[ValueTable]
    pictures: ComparedPictures
    first_seeds: bool  # whether pictures are of the first of several seeds
    metrics: list[Chart]
    losses: list[Chart]
    without_curves: list[str]  # runs
    recipe_header: list[str]
    recipe_rows: list[list[str]]
    without_recipe: list[str]  # sides
    origins: list[Origin]
    problems: list[str] = field(default_factory=list)


def gather_comparison(comparison: Comparison) -> ComparisonMaterial:
    """Read what the evaluations show, and what their runs logged. What cannot be read is a line of
    the page."""
    comparison = with_short_names(comparison)
    runs = runs_of(comparison.sides)
    problems: list[str] = []
    pictures = _pictures(comparison, runs, problems)
    logs = {name: _logs(runs, f"{name}.jsonl", problems) for name in ("metrics", "validation")}
    known = {*logs["metrics"], *logs["validation"]}
    header, rows = _recipes(runs)
    return ComparisonMaterial(
        names=[side.name for side in comparison.sides],
        title=_shared(runs, "title"),
        split=_shared(runs, "split"),
        images=len(comparison.images),
        verdicts=[_sentence(line, comparison) for line in verdicts(comparison)],
        cautions=list(_cautions(comparison)),
        tables=tables(comparison),
        pictures=pictures,
        first_seeds=any(side.seeds > 1 for side in comparison.sides),
        metrics=_charts(logs["validation"], directions()),
        losses=_charts(logs["metrics"], NO_DIRECTIONS),
        without_curves=[run.label for run in runs if run.label not in known],
        recipe_header=header,
        recipe_rows=rows,
        without_recipe=[s.name for s in comparison.sides if s.name not in header],
        origins=[_origin(run) for run in runs],
        problems=problems,
    )


def _sentence(line: str, comparison: Comparison) -> str:
    """A verdict as a sentence; a name at its beginning keeps its letters."""
    if line.startswith(tuple(side.name for side in comparison.sides)):
        return f"{line}."
    return f"{line[:1].upper()}{line[1:]}."


def _cautions(comparison: Comparison) -> Iterator[str]:
    """Each as sentences; what begins with the name of a metric is left as it is."""
    named = {line for s in comparison.sides for one in s.evaluations for line in one.left_out}
    for line in cautions(comparison):
        parts = [part[:1].upper() + part[1:] for part in line.split(". ")]
        yield f"{line if line in named else '. '.join(parts)}."


def _shared(runs: Sequence[ComparedRun], fact: str) -> str:
    """What all evaluations say that say anything; nothing where they do not say the same."""
    found = {plain(run.evaluated.facts.get(fact) or "") for run in runs} - {""}
    return found.pop() if len(found) == 1 else ""


def _pictures(
    comparison: Comparison, runs: Sequence[ComparedRun], problems: list[str]
) -> ComparedPictures:
    """Those of the first run of each side."""
    found: dict[str, Evaluation] = {}
    for side in comparison.sides:
        run = next(run for run in runs if run.side == side.name)
        try:
            one = evaluation_of(run.evaluated.folder, run.evaluated.facts)
        except FAULTS as error:
            problems.append(f"{run.label}: pictures cannot be read: {plain(error)}.")
            return ComparedPictures()
        if one.unread:
            problems.append(f"{run.label}: pictures cannot be shown: {some(one.unread, 3)}.")
        found[side.name] = one
    return compared_pictures(found, {plain(n) for n in comparison.images}, [*comparison.values])


def _logs(runs: Sequence[ComparedRun], name: str, problems: list[str]) -> dict[str, Log]:
    """What the runs logged, by their labels; without those that logged nothing."""
    found = {run.label: read_log(run.path / name) for run in runs if run.path}
    for label, log in found.items():
        problems += [f"{label}: {line}" for line in torn(log, name)]
    return {label: log for label, log in found.items() if log.series}


def _charts(logs: Mapping[str, Log], higher: Mapping[str, bool]) -> list[Chart]:
    names = dict.fromkeys(name for log in logs.values() for name in log.series)
    drawn = (
        chart(
            name,
            {label: log.series[name] for label, log in logs.items() if name in log.series},
            higher=higher.get(name),
        )
        for name in [name for name in names if name not in NO_LOSS][:MOST_CHARTS]
    )
    return [one for one in drawn if one]


def _recipes(runs: Sequence[ComparedRun]) -> tuple[list[str], list[list[str]]]:
    """The sides that have a recipe, and what differs between these. The recipes of a side differ by
    their seeds alone."""
    by_side: dict[str, list[ComparedRun]] = {}
    for run in runs:
        if run.recipe:
            by_side.setdefault(run.side, []).append(run)
    flats = [flat(members[0].recipe) for members in by_side.values()]
    for one, members in zip(flats, by_side.values(), strict=True):
        if len(members) > 1:
            one["seed"] = ", ".join(str(run.recipe.seed) for run in members if run.recipe)
    rows = [[key, *map(text_of, values)] for key, values in differing(flats).items()]
    return [*by_side], rows


def _origin(run: ComparedRun) -> Origin:
    facts = run.evaluated.facts
    step = facts.get("step")
    newest = newest_whole(run.path) if run.path else None
    later = newest and isinstance(step, int) and newest.step > step
    return Origin(
        run.label,
        plain(run.path.name) if run.path else _measured(facts),
        plain(facts.get("checkpoint") or "-"),
        (f"{step:,}" + (f" of {newest.step:,}" if newest and later else ""))
        if isinstance(step, int)
        else "-",
        str(run.recipe.seed) if run.recipe else "-",
        len(run.evaluated.table.names),
        plain(facts.get("imtrans") or "-"),
        str(run.evaluated.folder),
    )


def _measured(facts: Mapping[str, object]) -> str:
    """The images that were measured where there is no run beside the evaluation."""
    named = [plain(facts[key], 600) for key in ("outputs", "targets") if facts.get(key)]
    return " against ".join(named) or plain(facts.get("run") or "-")
