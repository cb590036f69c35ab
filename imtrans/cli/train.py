import sys
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.cli.common import (
    DeviceOption,
    RecipeArgument,
    SetOption,
    a_path,
    console,
    exit_if_interrupted,
    installed,
    say,
    say_wrapped,
)
from imtrans.cli.report import report_at_the_end
from imtrans.recipe.naming import recipe_and_run

if TYPE_CHECKING:
    from rich.console import Console

    from imtrans.host.ranks import Rank
    from imtrans.task import Task
    from imtrans.training.loop import Outcome


PatienceOption = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=1,
        help="Under torchrun: how long a process may get no further before all are ended.",
    ),
]


def train(
    recipe: RecipeArgument,
    set_: SetOption = None,
    run_dir: Annotated[
        Path | None,
        typer.Option(
            parser=a_path, metavar="DIR", help="Where the run is kept; runs/NAME by default."
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over; the old run is renamed to NAME.old-1.")
    ] = False,
    device: DeviceOption = None,
    patience: PatienceOption = 600,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Show the full recipe and the estimated memory, disk and time, then exit.",
        ),
    ] = False,
) -> None:
    """Train a recipe; the same command again continues where it stopped, and so does the folder of
    a run in the place of its recipe.

    Ctrl-C finishes the step and saves. The run directory gets the resolved recipe, the losses
    (metrics.jsonl), sample pictures, checkpoints, and report.html.

    On several GPUs, or machines: `torchrun --nproc-per-node 4 -m imtrans train RECIPE`. Each of the
    processes takes its share of every step; the first one writes and prints.

    With --dry-run it prints the whole recipe, the sizes of the networks, the memory of a few steps
    in a process of their own, and estimates of disk and time.

    Example: `imtrans train recipes/edges2shoes.toml --set data.root=my/pairs`
    """
    from imtrans.host.group import joined
    from imtrans.training.fit import fit

    out = console()
    with joined(patience) as group:
        source, usual, again = group.together(lambda: recipe_and_run(recipe))
        task = group.together(lambda: _task(source, set_, again, group.rank))
        folder = run_dir or usual
        if dry_run:
            group.first(lambda: _dry_run(task, folder, device, fresh, out))
            return
        group.first(lambda: _look_first(task, out))
        command = ["imtrans", *sys.argv[1:]]
        outcome = fit(
            task, folder, device=device, fresh=fresh, console=out, command=command, group=group
        )
    out.quiet = not group.leads
    if group.leads and outcome.interrupted_by is None:
        _tell(outcome, task, folder, out)
    exit_if_interrupted(outcome, out)


def _task(source: str, set_: list[str] | None, again: bool, rank: "Rank") -> "Task":
    from imtrans.recipe import reading as recipes
    from imtrans.task import Task

    catalog = installed(quiet=not rank.leads)
    return Task(recipes.read(source, set_ or (), catalog, old=again), catalog, ranks=rank.of)


def _look_first(task: "Task", out: "Console") -> None:
    from imtrans.checking.data.look_first import look_first

    look_first(task, partial(say, out))


def _tell(outcome: "Outcome", task: "Task", folder: Path, out: "Console") -> None:
    say(out, f"{outcome.step} steps trained: {outcome.checkpoint}")
    say(out, f"translate with: imtrans translate --checkpoint {quote(str(folder))} INPUT")
    _name_the_best(outcome, task.recipe.validation.best_metric, out)
    report_at_the_end(folder, out, task)


def _name_the_best(outcome: "Outcome", metric: str | None, out: "Console") -> None:
    """A better translator than the last, if there is one: the last is what a command takes."""
    best = outcome.best
    if not best or not metric or best.value is None or best.step == outcome.step:
        return
    found = f"step {best.step}, {metric} {best.value:.4g}"
    say(out, f"best on validation pairs: {found}; add --best to translate with it")


def _dry_run(task: "Task", folder: Path, device: str | None, fresh: bool, out: "Console") -> None:
    from imtrans.checking.plan import plan
    from imtrans.cli.plan import lines
    from imtrans.recipe import reading as recipes

    report = partial(say, out)
    report(recipes.dumps(task.recipe))
    for line in lines(plan(task, folder, device=device, fresh=fresh, say=report)):
        say_wrapped(out, line, hang=15)
    report("dry run: nothing was written")
