"""From a sweep's file to its runs: what each variant trains, for how long, and where."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from imtrans.api.errors import some
from imtrans.benchmark.training import hardware
from imtrans.host.words import counted
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.naming import RUNS
from imtrans.recipe.schema import Recipe
from imtrans.runs.run_dir import binding_differences, is_continued_by, trained_in
from imtrans.sweeping.epochs import StepPace, apart, equalled
from imtrans.sweeping.file import SweepFile
from imtrans.sweeping.kept import KeptTime, KeptTimes, timed_sum
from imtrans.sweeping.running import SweepRun
from imtrans.sweeping.timing import step_time
from imtrans.sweeping.variants import check_variants, resolved
from imtrans.task import Task

Say = Callable[[str], None]
SHOWN = 3  # keys that differ


def usual_folder(file: SweepFile) -> Path:
    """Where the runs of a sweep are, unless a person says otherwise."""
    return RUNS / "sweeps" / file.name


@dataclass(frozen=True)
class SweepPlan:
    """A sweep as it will run."""

    file: SweepFile
    folder: Path
    device: str
    tasks: Mapping[str, Task]  # of each variant, with the first seed
    runs: tuple[SweepRun, ...]  # in the order of their training
    times: Mapping[str, KeptTime]  # of each variant but the first, where they were measured
    remarks: tuple[str, ...]

    @property
    def device_name(self) -> str:
        return hardware(torch.device(self.device))


class Planner:
    """Makes the plan of a sweep; `say` hears what takes long and what to look at."""

    def __init__(
        self, file: SweepFile, folder: Path, catalog: Catalog, device: str, say: Say
    ) -> None:
        self.file, self.folder, self.catalog = file, folder, catalog
        self.device, self.say = device, say
        self.kept = KeptTimes.read(folder)
        self.own = resolved(file, catalog)  # with the epochs of their files
        self.tasks = {name: Task(recipe, catalog) for name, recipe in self.own.items()}
        self.names = [variant.name for variant in file.variants]
        self.first = self.names[0]

    def plan(self, *, timed: bool = False) -> SweepPlan:
        """The plan, with steps measured where the lengths of trainings depend on them, or where
        they are to be `timed`. Raises ImtransError for what is wrong with the sweep, and for
        variants that are not as their runs were trained."""
        begun = {name for name in self.names if any(map(_began, self._folders(name)))}
        untried = set(self.names) - begun
        check_variants(self.file, self.tasks, untried, self.device, self.say)
        self.file.problems.refuse(self.names)
        self._refuse_another_first(begun)
        if self.file.equal == "time" or timed:
            self._time(begun)
        final = self._final()
        self._refuse_changed(final)
        tasks = {name: Task(recipe, self.catalog) for name, recipe in final.items()}
        return SweepPlan(
            self.file,
            self.folder,
            self.device,
            tasks,
            tuple(self._runs(final)),
            {name: self.kept.times[name] for name in self.names if name in self.kept.times},
            tuple(self._remarks(final)),
        )

    def kept_plan(self) -> SweepPlan:
        """The plan; what was measured for it is noted, so that the sweep goes on as it began.
        Raises ImtransError likewise."""
        found = self.plan()
        self.kept.first = self.first
        self.kept.write(self.folder)
        return found

    # --- lengths ---

    def _paces(self) -> dict[str, StepPace]:
        paces = {}
        for name, task in self.tasks.items():
            kept = self.kept.times.get(name) if self.file.equal == "time" else None
            times = kept.time.times if kept and name != self.first else 1.0
            paces[name] = StepPace(task.steps_per_epoch(), times)
        return paces

    def _final(self) -> dict[str, Recipe]:
        """The recipes for as many epochs as they will train."""
        if self.file.equal is None:
            return dict(self.own)
        paces, first = self._paces(), self.own[self.first]
        others = {
            name: equalled(self.own[name], paces[name], first.train.epochs, paces[self.first])
            for name in self.names[1:]
        }
        return {self.first: first, **others}

    def _remarks(self, final: Mapping[str, Recipe]) -> list[str]:
        if self.file.equal is None:
            return []
        return [
            f"'{name}' trains {factor:.2f} times as long as '{self.first}', for "
            f"{counted(final[name].train.epochs, 'epoch')}, which are whole; with more of them it "
            "comes nearer"
            for name, factor in apart(final, self._paces()).items()
        ]

    def _time(self, begun: set[str]) -> None:
        first, on = self.own[self.first], hardware(torch.device(self.device))
        for name in self.names[1:]:
            kept, recipe = self.kept.times.get(name), self.own[name]
            is_of_here = kept and (kept.device == on or begun)  # runs go on as they began
            if kept and (name in begun or (is_of_here and kept.fits(recipe, first))):
                continue
            self.say(f"measuring a step of '{name}' beside one of '{self.first}'")
            both = [self.tasks[one] for one in (self.first, name)]
            steps = [one.recipe.train.epochs * one.steps_per_epoch() for one in both]
            found = step_time(recipe, first, steps, self.device)
            self.kept.times[name] = KeptTime(found, timed_sum(recipe), timed_sum(first), on)

    # --- what was begun ---

    def _folders(self, name: str) -> list[Path]:
        return [self.folder / f"{name}-seed-{seed}" for seed in self.file.seeds]

    def _refuse_another_first(self, begun: set[str]) -> None:
        """What others are equal to must stay what it was."""
        if self.file.equal is None or not begun:
            return
        line = self.file.variants[0].line
        before = self.kept.first or self.first
        if before != self.first:
            what = f"'{before}' was the first variant when these runs began"
        elif others := [name for name in self.names if name in begun and self._is_other(name)]:
            what = f"'{self.first}' has changed since {some(others)} was measured beside it"
        else:
            return
        self.file.problems.add(line, f"variants: {what}; take that back, or choose another --runs")
        self.file.problems.refuse(self.names)

    def _is_other(self, name: str) -> bool:
        kept = self.kept.times.get(name)
        if kept is None or self.file.equal != "time":
            return False
        return kept.first != timed_sum(self.own[self.first])

    def _refuse_changed(self, final: Mapping[str, Recipe]) -> None:
        problems = self.file.problems
        for variant in self.file.variants:
            for seed, folder in zip(self.file.seeds, self._folders(variant.name), strict=True):
                recipe = _seeded(final[variant.name], seed)
                before = trained_in(folder) if folder.is_dir() else None
                if before and not is_continued_by(before, recipe):
                    what = _changed(folder, before, recipe)
                    problems.add(variant.line, f"variants.{variant.name}: {what}")
                    break
        problems.refuse(self.names)

    def _runs(self, final: Mapping[str, Recipe]) -> list[SweepRun]:
        """Seed by seed, so that a sweep that is stopped has as many runs of each variant."""
        return [
            SweepRun(
                name,
                seed,
                self._folders(name)[number],
                Task(_seeded(final[name], seed), self.catalog),
            )
            for number, seed in enumerate(self.file.seeds)
            for name in self.names
        ]


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    return recipe.model_copy(update={"seed": seed})


def _began(folder: Path) -> bool:
    return folder.is_dir() and trained_in(folder) is not None


def _changed(folder: Path, before: Recipe, recipe: Recipe) -> str:
    differ = binding_differences(before, recipe)
    keys = [f"{key} was {then!r} and is {now!r}" for key, (then, now) in differ.items()]
    return (
        f"{folder} was trained with another recipe: {some(keys, SHOWN)}. take the "
        "change back, give the variant another name, or move its runs away"
    )
