"""A run's directory: one recipe, its log, its samples, its checkpoints.

runs/maps/recipe.toml      the resolved recipe
         /metrics.jsonl    one line of losses each `log_every` steps
         /samples/         grids: source | fake | target
         /checkpoints/
"""

import difflib
import json
from pathlib import Path
from typing import Any

from imtrans import recipe as recipes
from imtrans.errors import ImtransError
from imtrans.schema import Recipe

# What may change between two sittings of one run, because no weight depends on it.
FREE = {
    "data": {"workers"},
    "train": {"log_every", "sample_every", "checkpoint_every", "keep_last"},
}
FREE_KEYS = {"title", "reference", "requires"}


class RunDir:
    """An open run directory. Raises ImtransError when another recipe was trained there."""

    def __init__(self, path: Path, recipe: Recipe, *, fresh: bool = False) -> None:
        self.path = path
        self.samples = path / "samples"
        self.checkpoints = path / "checkpoints"
        if fresh:
            _move_aside(path)
        _refuse_another(path, recipe)
        try:
            self.samples.mkdir(parents=True, exist_ok=True)
            self.checkpoints.mkdir(exist_ok=True)
            (path / "recipe.toml").write_text(recipes.dumps(recipe), encoding="utf-8")
            self._log = (path / "metrics.jsonl").open("a", encoding="utf-8")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ImtransError(f"{path}: cannot write there: {reason}") from error

    def log(self, record: dict[str, Any]) -> None:
        self._log.write(json.dumps(record) + "\n")
        self._log.flush()

    def forget_after(self, step: int) -> None:
        """Drop the records and samples of steps that will be taken again."""
        path = self.path / "metrics.jsonl"
        kept = [row for row in path.read_text(encoding="utf-8").splitlines() if _up_to(row, step)]
        self._log.close()
        path.write_text("".join(f"{row}\n" for row in kept), encoding="utf-8")
        self._log = path.open("a", encoding="utf-8")
        for sample in self.samples.glob("step_*.png"):
            if int(sample.stem.removeprefix("step_")) > step:
                sample.unlink()

    def checkpoint_path(self, step: int) -> Path:
        return self.checkpoints / f"step_{step:08d}"

    def sample_path(self, step: int) -> Path:
        return self.samples / f"step_{step:08d}.png"

    def close(self) -> None:
        self._log.close()


def _up_to(row: str, step: int) -> bool:
    try:
        return bool(json.loads(row)["step"] <= step)
    except (ValueError, KeyError, TypeError):
        return False  # the torn last line of a killed run


def _refuse_another(path: Path, recipe: Recipe) -> None:
    """Continuing is for the same recipe; its diff says what is not the same."""
    if not path.exists():
        return
    if not path.is_dir():
        raise ImtransError(f"{path}: is a file; choose another --run-dir")
    file = path / "recipe.toml"
    if not file.is_file():
        if any(path.iterdir()):
            raise ImtransError(f"{path}: holds other files, but no run; choose another --run-dir")
        return
    before = recipes.parse(file.read_text(encoding="utf-8"), str(file))
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


def _binding(recipe: Recipe) -> dict[str, Any]:
    values = recipe.model_dump(mode="json", exclude=FREE_KEYS)
    for table, keys in FREE.items():
        for key in keys:
            del values[table][key]
    return values


def _move_aside(path: Path) -> None:
    if not path.exists():
        return
    number = 1
    while (aside := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    path.rename(aside)
