"""What a sweep will take, before it begins."""

from collections.abc import Iterator

from imtrans.host.words import counted, duration
from imtrans.sweeping.planning import SweepPlan


def rows(plan: SweepPlan) -> tuple[list[str], list[list[str]]]:
    """A row for each variant; only of a plan whose steps were timed."""
    headings = ["variant", "recipe", "runs", "epochs", "steps", "ms a step", "a run"]
    found = []
    for variant in plan.file.variants:
        name, task = variant.name, plan.tasks[variant.name]
        finished = sum(run.is_finished for run in plan.runs if run.variant == name)
        done = f", {finished} of them finished" if finished else ""
        seconds = seconds_of(plan, name)
        steps = task.recipe.train.epochs * task.steps_per_epoch()
        found.append(
            [
                name,
                variant.recipe,
                f"{len(plan.file.seeds)}{done}",
                str(task.recipe.train.epochs),
                str(steps),
                f"{seconds * 1000:.4g}",
                duration(steps * seconds),
            ]
        )
    return headings, found


def seconds_of(plan: SweepPlan, name: str) -> float:
    """What a step takes: of the first variant as measured, of another as many times that."""
    beside = next(iter(plan.times.values())).time.beside
    kept = plan.times.get(name)
    return beside * kept.time.times if kept else beside


def lines(plan: SweepPlan) -> Iterator[str]:
    left = [run for run in plan.runs if not run.is_finished]
    total = 0.0
    for run in left:
        steps = run.task.recipe.train.epochs * run.task.steps_per_epoch()
        total += steps * seconds_of(plan, run.variant)
    yield (
        f"{counted(len(plan.runs), 'run')} in {plan.folder}, {len(left)} of them to train: about "
        f"{duration(total)}, roughly, on {plan.device_name}; without reading, validation and "
        "samples"
    )
    for remark in plan.remarks:
        yield f"note: {remark}"
