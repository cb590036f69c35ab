"""The runs below a folder: how far each is, how good, how large. Nothing here writes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from imtrans.api.errors import ImtransError
from imtrans.host.foreign import FAULTS
from imtrans.recipe import reading as recipes
from imtrans.recipe.naming import usual_run
from imtrans.recipe.schema import Recipe
from imtrans.runs import checkpoint
from imtrans.runs.best import Best
from imtrans.runs.header import GENERATOR, Header, read_headers
from imtrans.runs.measurements import Series, measured_on, measurements
from imtrans.runs.run_dir import BEST, is_trained_in

NONE_KNOWN: Mapping[str, bool] = {}
DEPTH = 3  # folders below the one named, in which runs are looked for

OWN_FACTS = ("metric", "best", "metrics", "recipe")  # which JSON has otherwise, or not at all

State = Literal["running", "done", "stopped", "damaged"]


@dataclass(frozen=True)
class Run:
    """What can be known of a run without opening its tensors."""

    path: Path
    name: str  # below the folder that was listed
    state: State
    title: str
    step: int  # steps done; those of a running one as last logged
    steps: int | None  # when all epochs are done
    epoch: int  # epochs done
    epochs: int | None
    metric: str | None  # what the best is of
    best: Best
    bytes: int
    written: float  # seconds since 1970
    problem: str | None = None
    metrics: dict[str, Series] = field(default_factory=dict)
    recipe: Recipe | None = None

    @property
    def measured_on(self) -> str:
        """Equal for runs whose metrics compare; empty where nothing was measured."""
        return measured_on(self.recipe) if self.recipe and self.metrics else ""

    def facts(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        best = {"metric": self.metric, "value": self.best.value, "step": self.best.step}
        return {
            **{key: value for key, value in vars(self).items() if key not in OWN_FACTS},
            "path": str(self.path),
            "metrics": {name: series.facts() for name, series in self.metrics.items()},
            "best": best if self.best.value is not None else None,
        }


def find_runs(folder: Path) -> list[Path]:
    """The run directories in a folder, or the folder itself if it is one. Raises ImtransError."""
    if not folder.is_dir():
        raise ImtransError(f"{folder}: no such folder; name the folder that holds your runs")
    return [folder] if is_run(folder) else list(_below(folder, DEPTH))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    with suppress(OSError):  # one that must not be read holds none of ours
        for child in sorted(folder.iterdir()):
            if child.name.startswith(".") or not child.is_dir():
                continue
            if is_run(child):
                yield child
            elif depth > 1 and not child.is_symlink():
                yield from _below(child, depth - 1)


def is_run(folder: Path) -> bool:
    """Whether a directory is a run's, also where a part of it is lost."""
    try:
        inside = folder / "checkpoints"
        known = (folder / "recipe.toml").is_file() or (folder / "samples").is_dir()
        return inside.is_dir() and (known or bool(checkpoint.checkpoints(folder)))
    except OSError:
        return False


def look_at(path: Path, folder: Path, higher: Mapping[str, bool] = NONE_KNOWN) -> Run:
    """Summarise one run below `folder`; problems are recorded, not raised. `higher` says of metrics
    whether higher is better: only of these the best is known."""
    problems: list[str] = []
    header = newest_whole(path, problems)
    recipe = _recipe(path, header, problems)
    epochs = recipe.train.epochs if recipe else None
    step = header.step if header else 0
    running = is_trained_in(path)
    if running:
        step = max(step, _logged(path))
    total, written = _measured(path)
    return Run(
        path,
        path.name if path == folder else path.relative_to(folder).as_posix(),
        _state(running, path, header, epochs),
        recipe.title if recipe else "",
        step,
        _steps(header, epochs),
        header.epoch - 1 if header and header.epoch else 0,
        epochs,
        recipe.validation.best_metric if recipe else None,
        _best(header),
        total,
        written,
        "; ".join(problems) or None,
        measurements(path, higher),
        recipe,
    )


def newest_whole(path: Path, problems: list[str] | None = None) -> Header | None:
    """The header of the newest checkpoint whose files are all there, none of them cut off.

    That is known from the headers and the lengths of the files; their sums are not computed.
    """
    for folder in reversed(checkpoint.checkpoints(path)):
        try:
            return _whole(folder)
        except (ImtransError, OSError) as error:
            if problems is not None:
                problems.append(" ".join(str(error).split()))
    return None


def _whole(folder: Path) -> Header:
    header = read_headers(folder)[0]
    for fact in ("batch", "batches_per_epoch"):
        header.number(fact)
    return header


def find_run(name: str | Path) -> Path | None:
    """The run or checkpoint that a person named: at that path, or in runs/ under the name, or under
    that of a recipe. None if there is none: a folder of pictures may have the same name."""
    usual = usual_run(str(name))
    for place in (Path(name), usual):
        if is_run(place) or (place / GENERATOR).is_file():
            return place
    return usual if usual.exists() else None


def best_checkpoint(run: Path) -> Path:
    """The checkpoint that did best on validation pairs. Raises ImtransError when none is kept."""
    if not run.exists():
        raise ImtransError(f"{run}: no such run")
    folder = run / "checkpoints" / BEST
    if (folder / GENERATOR).is_file():
        return folder
    if not is_run(run):
        raise ImtransError(f"{run}: not a run; the best generator is that of a run")
    raise ImtransError(
        f"{run}: no best generator is kept there. there is one from the first validation on, where "
        "there are validation pairs and validate.keep_best is not false; leave --best out to use "
        "the newest checkpoint"
    )


def _state(running: bool, path: Path, header: Header | None, epochs: int | None) -> State:
    if running:
        return "running"
    if header is None:
        remains = any((path / "checkpoints").glob("step_*"))  # also those set aside as damaged
        return "damaged" if remains or not (path / "recipe.toml").is_file() else "stopped"
    return "done" if epochs is not None and header.epoch > epochs else "stopped"


def _recipe(path: Path, header: Header | None, problems: list[str]) -> Recipe | None:
    """The run's recipe; where its file is broken, that inside the checkpoint."""
    try:
        return recipes.read(path / "recipe.toml", old=True)
    except (ImtransError, OSError, ValueError) as error:
        problems.append(" ".join(str(error).split()))
    with suppress(ImtransError, ValueError):
        return header.recipe() if header else None
    return None


def _steps(header: Header | None, epochs: int | None) -> int | None:
    """Counted from the checkpoint's position: the data may have changed before it."""
    if header is None or epochs is None:
        return None
    per_epoch, batch = header.number("batches_per_epoch"), header.number("batch")
    return header.step + max((epochs - header.epoch + 1) * per_epoch - batch, 0)


def _best(header: Header | None) -> Best:
    with suppress(*FAULTS):
        found = Best.loads(header.facts.get("best") if header else None)
        if isinstance(found.value, (int, float)) and isinstance(found.step, int):
            return found
    return Best()


def _logged(path: Path) -> int:
    """The step of the last line of the log, 0 if there is none."""
    with suppress(OSError, *FAULTS):
        with (path / "metrics.jsonl").open("rb") as file:
            file.seek(max(file.seek(0, 2) - 4096, 0))
            rows = file.read().splitlines()
        # The very last may be half written just now.
        for row in reversed(rows):
            with suppress(*FAULTS):
                return int(json.loads(row)["step"])
    return 0


def _measured(path: Path) -> tuple[int, float]:
    """Bytes of all files below, and when one of them was last written."""
    total, written = 0, 0.0
    with suppress(OSError):
        written = path.stat().st_mtime
    for file in path.rglob("*"):
        with suppress(OSError):  # it may be removed while we look
            found = file.lstat()
            if file.is_file():
                total, written = total + found.st_size, max(written, found.st_mtime)
    return total, written
