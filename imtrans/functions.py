"""What the commands do, for Python: the same recipes, the same runs, the same errors."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from imtrans.checking import recipe as checks
from imtrans.checking.data.look_first import look_first
from imtrans.checking.finding import Finding
from imtrans.host.group import joined
from imtrans.host.terminal import Terminal, say
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.naming import recipe_and_run
from imtrans.recipe.overrides import Override
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.loop import Outcome

Overrides = Mapping[str, Any]  # a key of the recipe -> its value: {"train.epochs": 5}


def train(
    recipe: str | Path,
    overrides: Overrides | None = None,
    *,
    run_dir: str | Path | None = None,
    fresh: bool = False,
    device: str | None = None,
    quiet: bool = False,
) -> Outcome:
    """Train a recipe (a file, the name of one, or a run's folder) as `imtrans train` does: into
    `run_dir`, runs/NAME by default, and from its newest checkpoint on if there is one.

    `overrides` are keys of the recipe and their values. With `fresh`, an older run is moved aside.
    `quiet` prints nothing. Processes that torchrun has started train it together. Ctrl-C saves a
    checkpoint and ends the training: see `interrupted_by`.
    Raises ImtransError for whatever its caller can mend.

    >>> import imtrans
    >>> outcome = imtrans.train("my-task.toml", {"train.epochs": 1}, quiet=True)
    >>> outcome.checkpoint.as_posix()
    'runs/my-task/checkpoints/step_00000006'
    """
    out = Terminal(quiet=quiet)
    with joined() as group:
        source, usual, again = group.together(lambda: recipe_and_run(str(recipe)))
        task = group.together(lambda: _task(source, overrides, old=again, ranks=group.rank.of))
        group.first(lambda: look_first(task, partial(say, out)))
        folder = Path(run_dir) if run_dir else usual
        return fit(task, folder, device=device, fresh=fresh, console=out, group=group)


def check(
    recipe: str | Path, overrides: Overrides | None = None, *, device: str | None = None
) -> list[Finding]:
    """Check a recipe as `imtrans check` does: its components, its data, and one step. Raises
    ImtransError when the recipe itself is wrong.

    >>> import imtrans
    >>> {finding.severity for finding in imtrans.check("my-task.toml")}
    {'ok'}
    """
    return list(checks.check(_task(recipe, overrides), device))


def _task(
    recipe: str | Path, overrides: Overrides | None, *, old: bool = False, ranks: int = 1
) -> Task:
    found = catalog()
    settings = [Override(key, value, key) for key, value in (overrides or {}).items()]
    return Task(recipes.read(str(recipe), settings, found, old=old), found, ranks=ranks)
