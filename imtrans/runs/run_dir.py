"""A run's directory: one recipe, its log, its samples, its checkpoints.

runs/maps/recipe.toml      the resolved recipe
         /metrics.jsonl    one line of losses each `log_every` steps
         /validation.jsonl one line of metrics on validation pairs each `validate.every` steps
         /sessions.jsonl   one line for each process that trained it
         /report.html      all of it as one page
         /samples/         grids: source | output | target
         /checkpoints/     step_NNNNNNNN, and the best generator
"""

import difflib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.host.background import Background
from imtrans.host.files import write_whole
from imtrans.host.locks import Locked, locked
from imtrans.recipe import reading as recipes
from imtrans.recipe import toml
from imtrans.recipe.catalog import catalog
from imtrans.recipe.flat import differing, flat_values
from imtrans.recipe.schema import Recipe
from imtrans.runs import checkpoint
from imtrans.runs.header import TRAINING, read_header
from imtrans.runs.journal import Journal, unwritable

# What may change between two sessions of one run: no weight depends on it, or in rounding only.
FREE = {
    "data": {"workers", "cache", "cache_limit"},
    "train": {
        "log_every",
        "sample_every",
        "checkpoint_every",
        "keep_last",
        "engine",
        "compile",
    },
}
BEST = "best"
# What may be there without a recipe, when the process that began the run was killed.
FIRST = {"samples", "checkpoints", ".recipe.toml.partial"}
FREE_KEYS = {"title", "reference", "requires", "logger", "validation"}


@contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """Let no other process train in a run directory. Raises Locked when one does."""
    lock = lock_of(path)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(lock))
        except Locked as error:
            raise Locked(
                f"{path}: another process trains there. wait for it, stop it, or choose another "
                "--run-dir"
            ) from error
        except OSError as error:
            raise unwritable(path, error) from error
        yield
        lock.unlink(missing_ok=True)


def lock_of(path: Path) -> Path:
    """The file whose lock says that somebody trains in a run directory."""
    path = path.resolve()
    return path.with_name(f".{path.name}.lock")


def is_trained_in(path: Path) -> bool:
    """Whether a process trains in a run directory just now."""
    lock = lock_of(path)
    if not lock.exists():
        return False
    try:
        # Shared and let go at once: who asks likewise at this moment is not misled.
        with locked(lock, shared=True):
            return False
    except Locked:
        return True
    except OSError:
        return False  # not ours to open; nobody of ours trains there


class RunDir:
    """A run directory. With a `background`, what takes long is written there."""

    def __init__(self, path: Path, recipe: Recipe, *, background: Background | None = None) -> None:
        self.path, self.recipe = path, recipe
        self.checkpoints = path / "checkpoints"
        self.journal = Journal(path, background)

    def claim(self, *, fresh: bool = False) -> None:
        """Make sure that it is for this recipe; an older run is moved aside if `fresh`. Raises
        ImtransError when another recipe was trained there."""
        if fresh:
            _move_aside(self.path)
        _refuse_another(self.path, self.recipe)

    def tidy(self) -> None:
        """Clear away what a killed process left half done. For who is alone in the directory, and
        before asking what was learned. Raises ImtransError."""
        try:
            checkpoint.tidy(self.checkpoints)
        except OSError as error:
            raise unwritable(self.checkpoints, error) from error

    def begin(self) -> None:
        """Make the directory, and write the recipe. Raises ImtransError when it cannot be
        written."""
        try:
            self.journal.samples.mkdir(parents=True, exist_ok=True)
            self.checkpoints.mkdir(exist_ok=True)
            text = recipes.dumps(self.recipe)
            write_whole(self.path / "recipe.toml", text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise unwritable(self.path, error) from error

    def learned(self) -> list[Path]:
        """The checkpoints after step 0, oldest first; that of step 0 shows only that one can be
        written."""
        return _learned(self.path)

    @property
    def best(self) -> Path:
        """The translators that did best on the validation pairs."""
        return self.checkpoints / BEST

    def checkpoint_path(self, step: int) -> Path:
        return self.checkpoints / f"step_{step:08d}"


def _refuse_another(path: Path, recipe: Recipe) -> None:
    """Continuing is for the same recipe; its diff says what is not the same."""
    if not path.exists():
        return
    if not path.is_dir():
        raise ImtransError(f"{path}: is a file; choose another --run-dir")
    learned = _learned(path)
    if not learned:
        began = (path / "recipe.toml").is_file()
        if not began and any(one.name not in FIRST for one in path.iterdir()):
            raise ImtransError(f"{path}: holds other files, but no run; choose another --run-dir")
        return  # nothing was learned there yet
    origin, before = _trained_there(path, learned)
    if not is_continued_by(before, recipe):
        rows = difflib.unified_diff(
            toml.dumps(_binding_values(_as_long(before, recipe))).splitlines(),
            toml.dumps(_binding_values(recipe)).splitlines(),
            origin,
            "the recipe given",
            lineterm="",
            n=0,
        )
        diff = "\n  ".join(rows)
        raise ImtransError(
            f"{path}: another recipe was trained there\n  {diff}\n"
            "choose another --run-dir, or start over with --fresh (the old run is renamed)"
        )


def trained_in(path: Path) -> Recipe | None:
    """The recipe of what was trained in a folder so far; None where nothing was."""
    learned = _learned(path)
    return _trained_there(path, learned)[1] if learned else None


def is_continued_by(before: Recipe, recipe: Recipe) -> bool:
    """Whether a run goes on with this recipe: with the same, but for what no weight depends on."""
    return binding(_as_long(before, recipe)) == binding(recipe)


def binding_differences(before: Recipe, recipe: Recipe) -> dict[str, list[Any]]:
    """The keys why a run does not go on with this recipe, with the values of both."""
    both = (_as_long(before, recipe), recipe)
    return differing([flat_values(_binding_values(one)) for one in both])


def _as_long(before: Recipe, recipe: Recipe) -> Recipe:
    """Training longer is no other run."""
    if before.train.epochs >= recipe.train.epochs:
        return before
    train = before.train.model_copy(update={"epochs": recipe.train.epochs})
    return before.model_copy(update={"train": train})


def _trained_there(path: Path, learned: list[Path]) -> tuple[str, Recipe]:
    """The recipe of a run, and what it was read from: its newest checkpoint, which knows best what
    trained it, or recipe.toml where no checkpoint can be read."""
    for folder in reversed(learned):
        with suppress(ImtransError):
            header = read_header(folder / TRAINING)
            return str(header.path), header.recipe(catalog())
    file = path / "recipe.toml"
    return str(file), recipes.read(file, old=True)


def _learned(path: Path) -> list[Path]:
    found = checkpoint.checkpoints(path)
    return [one for one in found if int(one.name.removeprefix("step_")) > 0]


def binding(recipe: Recipe) -> dict[str, Any]:
    """What a run's weights depend on: equal for recipes that continue each other."""
    values = recipe.model_dump(mode="json", exclude=FREE_KEYS)
    for table, keys in FREE.items():
        for key in keys:
            del values[table][key]
    return values | {"best": recipe.validation.best_metric}


def _binding_values(recipe: Recipe) -> dict[str, Any]:
    """The recipe without what may change: only what differs and matters is to be shown."""
    values = recipes.values_of(recipe)
    for table, keys in FREE.items():
        for key in keys:
            values[table].pop(key, None)
    for key in FREE_KEYS:
        values.pop(key, None)
    values["validate"] = {"keep_best": recipe.validation.best_metric or False}
    return values


def _move_aside(path: Path) -> None:
    path = path.resolve()
    if not path.exists():
        return
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
