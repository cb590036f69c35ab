"""What a sweep found: the trained runs evaluated, and their variants compared."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.evaluation import files
from imtrans.evaluation.choice import MetricChoice
from imtrans.evaluation.comparison import ComparedSide, Comparison, compared
from imtrans.evaluation.files import Evaluated
from imtrans.evaluation.of_run import evaluate_run
from imtrans.evaluation.sides import evaluation_of
from imtrans.evaluation.wanted import Bar, Wanted
from imtrans.recipe.catalog import Catalog
from imtrans.runs.listing import newest_whole
from imtrans.runs.measurements import training_seconds
from imtrans.sweeping.planning import SweepPlan
from imtrans.sweeping.running import SweepRun

Say = Callable[[str], None]
LONGER = 0.1  # of the first variant's time


@dataclass(frozen=True)
class VariantResult:
    """A variant that was trained: how long each of its seeds took, in steps and in seconds."""

    name: str
    seeds: tuple[int, ...]
    steps: tuple[int, ...]
    seconds: tuple[float, ...]

    @property
    def mean_seconds(self) -> float:
        return sum(self.seconds) / len(self.seconds)


@dataclass(frozen=True)
class SweepResult:
    """All variants that have a run, what failed, and how they compare where two of them do."""

    variants: tuple[VariantResult, ...]
    comparison: Comparison | None
    failed: dict[Path, str]  # a run, and why

    @property
    def failures(self) -> list[str]:
        return [f"{run.name} failed and is left out: {why}" for run, why in self.failed.items()]

    def notes(self, plan: SweepPlan) -> list[str]:
        """What a reader of the numbers should know of the trainings."""
        notes = list(plan.remarks)
        if plan.file.equal == "time" and self.variants:
            notes += _unequal(self.variants)
        return notes


def _unequal(variants: Sequence[VariantResult]) -> list[str]:
    """The variants whose trainings took longer or shorter than was measured before."""
    first, *others = variants
    return [
        f"the trainings of '{one.name}' took {one.mean_seconds / first.mean_seconds:.2f} times as "
        f"long as those of '{first.name}': the reading of files, or other programs, took their part"
        for one in others
        if first.mean_seconds and abs(one.mean_seconds / first.mean_seconds - 1) > LONGER
    ]


def results(
    plan: SweepPlan,
    failed: Mapping[Path, str],
    catalog: Catalog,
    *,
    best: bool,
    say: Say,
    bar: Bar,
    after: Callable[[SweepRun], None],
) -> SweepResult:
    """Evaluate what is not evaluated, and compare; `after` hears of each run that was. One that
    cannot be evaluated counts as failed. Raises ImtransError where evaluations have nothing in
    common."""
    settings, failed = plan.file.evaluate, dict(failed)
    wanted = Wanted(settings=settings, best=best, device=plan.device)
    found: dict[str, list[tuple[SweepRun, Evaluated]]] = {}
    for run in plan.runs:
        if run.folder in failed:
            continue
        try:
            evaluated = evaluation_of(run.folder, catalog, best=best)
            if evaluated is None or not _is_measured_so(evaluated, settings, catalog):
                say(f"evaluating {run.folder.name}")
                made = evaluate_run(run.folder, wanted, catalog, say=say, bar=bar)
                evaluated = files.read(made.folder, catalog)
                after(run)
        except ImtransError as error:
            failed[run.folder] = " ".join(str(error).split())
            continue
        found.setdefault(run.variant, []).append((run, evaluated))
    order = [name for name in plan.tasks if name in found]
    variants = tuple(_variant(name, [run for run, _ in found[name]]) for name in order)
    sides = [ComparedSide(name, [one for _, one in found[name]]) for name in order]
    return SweepResult(variants, _compared(sides, plan.tasks), failed)


def _is_measured_so(evaluated: Evaluated, settings: Sequence[str], catalog: Catalog) -> bool:
    """Whether an evaluation that is there was made with these settings: of the recipe, and of
    metrics."""
    choice = MetricChoice(catalog)
    of_recipe, measured = choice.set(settings), evaluated.facts["components"]
    return [*evaluated.facts.get("set", ())] == of_recipe and all(
        measured.get(name, {}).items() >= options.items() for name, options in choice.tables.items()
    )


def _compared(sides: Sequence[ComparedSide], names: Collection[str]) -> Comparison | None:
    """The comparison with the first variant; none where that, or all others, failed."""
    is_first = sides and sides[0].name == next(iter(names))
    return compared(sides) if is_first and len(sides) > 1 else None


def _variant(name: str, runs: Sequence[SweepRun]) -> VariantResult:
    headers = [newest_whole(run.folder) for run in runs]
    return VariantResult(
        name,
        tuple(run.seed for run in runs),
        tuple(header.step if header else 0 for header in headers),
        tuple(training_seconds(run.folder, run.task.recipe) for run in runs),
    )
