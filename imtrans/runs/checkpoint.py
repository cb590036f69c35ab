"""What a run leaves behind: written whole, read with suspicion. No pickle anywhere.

A checkpoint is a directory, written beside its place and renamed, so that it is complete or absent:

    generator.safetensors      enough to translate: the recipe and the size rule are in its header
    discriminator.safetensors  one such file for each network of the method
    training.safetensors       optimiser moments, other state, random state, counters
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

import imtrans
from imtrans.api.errors import ImtransError, quoted
from imtrans.recipe import reading as recipes
from imtrans.runs.checksums import write_sums
from imtrans.runs.header import FORMAT, GENERATOR, SUFFIX, read_header, reason_of
from imtrans.runs.sealed import write_sealed
from imtrans.task import Task

State = Mapping[str, Tensor]
Parts = Mapping[str, State | Callable[[], State]]


def save(folder: Path, parts: Parts, task: Task, facts: Mapping[str, str] | None = None) -> None:
    """Write a checkpoint directory, whole or not at all. Raises ImtransError.

    `parts` is name -> tensors, or a function that returns them: `training`, and the networks and
    translators of the task's method. `facts` go into every header.
    """
    header = {
        "imtrans": imtrans.__version__,
        "torch": torch.__version__,
        "format": FORMAT,
        "recipe": recipes.dumps(task.recipe),
        "plugins": json.dumps(_plugins_used(task)),
        "parts": json.dumps(list(parts)),
        "translators": json.dumps([name for name in task.directions if name in parts]),
        "step": "0",
        "epoch": "0",
        **(facts or {}),
    }
    if not folder.parent.is_dir():  # making it again would hide that a run was moved away
        raise ImtransError(
            f"{folder}: cannot write the checkpoint: {folder.parent} is gone. was it moved or "
            "deleted?"
        )
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        for name, state in parts.items():
            found = state() if callable(state) else state
            _write(partial / f"{name}{SUFFIX}", found, {**header, "part": name})
        _sync(write_sums(partial))
        _sync(partial)
        _replace(partial, folder)
    except (OSError, SafetensorError) as error:
        raise ImtransError(f"{folder}: cannot write the checkpoint: {reason_of(error)}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(new: Path, folder: Path) -> None:
    """Put a finished directory in its place; one that is there already is moved aside first."""
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def remove(folder: Path) -> None:
    """Remove a checkpoint: it is one or none, at no instant a part of one. Raises ImtransError."""
    gone = folder.with_name(f".{folder.name}.gone")
    try:
        shutil.rmtree(gone, ignore_errors=True)
        folder.rename(gone)
        shutil.rmtree(gone)
    except OSError as error:
        raise ImtransError(f"{folder}: cannot remove it: {reason_of(error)}") from error


def tidy(folder: Path) -> None:
    """Clear away what a process that was killed left half done. Raises OSError."""
    for old in folder.glob(".*.old"):
        place = folder / old.name.removeprefix(".").removesuffix(".old")
        if not place.exists():  # killed between the two renames
            old.rename(place)
    for left in (*folder.glob(".*.old"), *folder.glob(".*.partial"), *folder.glob(".*.gone")):
        shutil.rmtree(left)


def checkpoints(run_dir: Path) -> list[Path]:
    """The checkpoints of a run, oldest first."""
    found = {
        int(number): path
        for path in (run_dir / "checkpoints").glob("step_*")
        if (number := path.name.removeprefix("step_")).isdecimal() and path.is_dir()
    }
    return [found[step] for step in sorted(found)]


def translator_file(path: Path, name: str = "generator") -> Path:
    """The file of a translator: of a run (its newest checkpoint), of a checkpoint, or the file
    itself."""
    if path.is_file():
        return path
    folder = path if (path / GENERATOR).is_file() else next(iter(checkpoints(path)[-1:]), None)
    if folder is None:
        if not path.exists():
            raise ImtransError(f"{path}: no such checkpoint")
        raise ImtransError(
            f"{path}: no checkpoint there; a run, a checkpoint directory or a {GENERATOR} is "
            "expected"
        )
    file = folder / f"{name}{SUFFIX}"
    if name == "generator" or file.is_file():
        return file
    known = read_header(folder / GENERATOR).translators
    raise ImtransError(f"{folder}: no translator '{name}'; there are {quoted(known)}")


def _plugins_used(task: Task) -> dict[str, str]:
    """Distribution -> version of every plugin, but imtrans itself, that the recipe draws on."""
    plugins = (component.plugin for component in task.components())
    return {p.distribution: p.version for p in plugins if p.distribution != "imtrans"}


def _write(path: Path, state: State, header: dict[str, str]) -> None:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_sealed(path, plain, header)
    _sync(path)


def _sync(path: Path) -> None:
    """Have the disk hold what was written, before a rename makes it count."""
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no directories
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
