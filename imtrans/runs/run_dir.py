"""A run's directory: one recipe, its log, its samples, its checkpoints.

runs/maps/recipe.toml      the resolved recipe
         /metrics.jsonl    one line of losses each `log_every` steps
         /validation.jsonl one line of metrics on held-out pairs each `validate_every` steps
         /samples/         grids: source | fake | target
         /checkpoints/     step_NNNNNNNN, and the best generator
"""

import difflib
import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from imtrans.api.errors import ImtransError
from imtrans.host.files import write_whole
from imtrans.host.locks import Locked, locked
from imtrans.recipe import reading as recipes
from imtrans.recipe.schema import Recipe
from imtrans.runs import checkpoint
from imtrans.runs.journal import Journal

# What may change between two sittings of one run: no weight depends on it, or in rounding only.
FREE = {
    "data": {"workers", "cache", "cache_limit"},
    "train": {
        "log_every",
        "sample_every",
        "validate_every",
        "validate_pairs",
        "checkpoint_every",
        "keep_last",
        "patience",
        "engine",
        "compile",
    },
}
BEST = "best"
# What may be there without a recipe, when the process that began the run was killed.
FIRST = {"samples", "checkpoints", ".recipe.toml.partial"}
FREE_KEYS = {"title", "reference", "requires"}


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
            raise _unwritable(path, error) from error
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
    """An open run directory. Raises ImtransError when another recipe was trained there."""

    def __init__(self, path: Path, recipe: Recipe, *, fresh: bool = False) -> None:
        self.path = path
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        self.metrics = Journal(path / "metrics.jsonl")
        self.validation = Journal(path / "validation.jsonl")
        if fresh:
            _move_aside(path)
        _refuse_another(path, recipe)
        self.recipe = recipe

    def tidy(self) -> None:
        """Clear away what a killed process left half done. For who is alone in the directory, and
        before asking what was learned. Raises ImtransError."""
        try:
            checkpoint.tidy(self.checkpoints)
        except OSError as error:
            raise _unwritable(self.checkpoints, error) from error

    def begin(self, step: int) -> None:
        """Make the directory, or take it up after `step`: records and samples of steps that will be
        taken again are dropped. Raises ImtransError when it cannot be written."""
        try:
            self.samples.mkdir(parents=True, exist_ok=True)
            self.checkpoints.mkdir(exist_ok=True)
            text = recipes.dumps(self.recipe)
            write_whole(self.path / "recipe.toml", text.encode("utf-8", "surrogateescape"))
            # Before the first step all is written anew.
            self._forget_after(step or -1)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def log(self, record: Mapping[str, float]) -> None:
        self._append(self.metrics, record)

    def log_validation(self, record: Mapping[str, float]) -> None:
        self._append(self.validation, record)

    def _append(self, journal: Journal, record: Mapping[str, float]) -> None:
        try:
            journal.append(record)
        except OSError as error:
            raise _unwritable(journal.path, error) from error

    def sample(self, step: int, picture: Image.Image) -> None:
        """Keep the grid of a step."""
        file = io.BytesIO()
        picture.save(file, "PNG", compress_level=1)
        path = self._sample_path(step)
        try:
            write_whole(path, file.getvalue())
        except OSError as error:
            raise _unwritable(path, error) from error

    def has_sample(self, step: int) -> bool:
        return self._sample_path(step).exists()

    def _sample_path(self, step: int) -> Path:
        return self.samples / f"step_{step:08d}.png"

    def _forget_after(self, step: int) -> None:
        for journal in (self.metrics, self.validation):
            journal.forget_after(step)
        for sample in self.samples.glob("step_*.png"):
            number = sample.stem.removeprefix("step_")
            if number.isdecimal() and int(number) > step:
                sample.unlink()
        for partial in self.samples.glob(".step_*.partial"):  # its writer was killed
            partial.unlink()

    def learned(self) -> list[Path]:
        """The checkpoints after step 0, oldest first; that of step 0 shows only that one can be
        written."""
        return _learned(self.path)

    @property
    def best(self) -> Path:
        """The generator that did best on held-out pairs."""
        return self.checkpoints / BEST

    def checkpoint_path(self, step: int) -> Path:
        return self.checkpoints / f"step_{step:08d}"


def _unwritable(path: Path, error: OSError) -> ImtransError:
    return ImtransError(f"{path}: cannot write there: {(error.strerror or str(error)).lower()}")


def _refuse_another(path: Path, recipe: Recipe) -> None:
    """Continuing is for the same recipe; its diff says what is not the same."""
    if not path.exists():
        return
    if not path.is_dir():
        raise ImtransError(f"{path}: is a file; choose another --run-dir")
    file = path / "recipe.toml"
    if not file.is_file():
        if any(one.name not in FIRST for one in path.iterdir()):
            raise ImtransError(f"{path}: holds other files, but no run; choose another --run-dir")
        return
    if not _learned(path):
        return  # nothing was learned there yet
    before = recipes.read(file)
    old, new = _binding(before), _binding(recipe)
    if old["train"]["epochs"] < new["train"]["epochs"]:
        old["train"]["epochs"] = new["train"]["epochs"]  # training longer is no other run
    if old != new:
        rows = difflib.unified_diff(
            recipes.dumps(before).splitlines(),
            recipes.dumps(recipe).splitlines(),
            str(file),
            "the recipe given",
            lineterm="",
            n=0,
        )
        diff = "\n  ".join(rows)
        raise ImtransError(
            f"{path}: another recipe was trained there\n  {diff}\n"
            "choose another --run-dir, or start anew with --fresh (the old run is kept aside)"
        )


def _learned(path: Path) -> list[Path]:
    found = checkpoint.checkpoints(path)
    return [one for one in found if int(one.name.removeprefix("step_")) > 0]


def _binding(recipe: Recipe) -> dict[str, Any]:
    values = recipe.model_dump(mode="json", exclude=FREE_KEYS)
    for table, keys in FREE.items():
        for key in keys:
            del values[table][key]
    return values


def _move_aside(path: Path) -> None:
    path = path.resolve()
    if not path.exists():
        return
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
