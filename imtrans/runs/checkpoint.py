"""What a run leaves behind: written whole, read with suspicion. No pickle anywhere.

A checkpoint is a directory, written beside its place and renamed, so that it is complete or absent:

    generator.safetensors      enough to translate: the recipe and the size rule are in its header
    discriminator.safetensors  one such file for each network of the method
    training.safetensors       optimiser moments, other state, random state, counters
"""

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

import imtrans
from imtrans.api.errors import ImtransError, quoted
from imtrans.host.foreign import FAULTS, whole_number
from imtrans.host.words import plain
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs.checksums import verify, write_sums
from imtrans.runs.sealed import check_seal, write_sealed
from imtrans.task import Task

FORMAT = "2"
FORMATS = ("1", FORMAT)  # 1: before methods; pix2pix alone
SUFFIX = ".safetensors"
GENERATOR, TRAINING = (f"{part}{SUFFIX}" for part in ("generator", "training"))
# What a person is asked to give to a shell: a distribution and its version, and nothing else.
REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!_-]+")
State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Header:
    """What a file says about itself."""

    path: Path
    part: str  # training, or the name of a network
    recipe_text: str
    facts: dict[str, str]  # everything, as written

    @property
    def step(self) -> int:
        return self.number("step")

    @property
    def epoch(self) -> int:
        return self.number("epoch")

    def number(self, fact: str) -> int:
        """A count in the header, from 0. Raises ImtransError when it is none."""
        text = self.facts.get(fact, "")
        number = whole_number(text)
        if number is None:
            raise ImtransError(
                f"{self.path}: its header has no number '{fact}': '{plain(text, 60)}'"
            )
        return number

    @property
    def parts(self) -> list[str]:
        """The files of the checkpoint that this one belongs to, itself among them."""
        if self.facts["format"] == "1":
            return [GENERATOR, f"discriminator{SUFFIX}", TRAINING]
        return [f"{part}{SUFFIX}" for part in self._names("parts")]

    @property
    def translates(self) -> bool:
        """Whether this file is one to translate with."""
        if self.facts["format"] == "1":
            return self.part == "generator"
        return self.part in self.translators

    @property
    def translators(self) -> list[str]:
        """The names of all translators of the checkpoint."""
        return ["generator"] if self.facts["format"] == "1" else self._names("translators")

    def _names(self, fact: str) -> list[str]:
        names = self._value(fact)
        if isinstance(names, list) and all(map(_is_name, names)):
            return names
        raise ImtransError(f"{self.path}: its header has no names '{fact}'")

    def _value(self, fact: str) -> Any:
        """What a fact says in JSON; None where it is damaged."""
        try:
            return json.loads(self.facts.get(fact, "null"))
        except FAULTS:
            return None

    def recipe(self, catalog: Catalog | None = None, *, translator_only: bool = False) -> Recipe:
        """The recipe inside. Raises ImtransError when a plugin it needs is missing, naming it.

        With `translator_only`, what only training needs may be missing.
        """
        origin = f"the recipe in {self.path}"
        try:
            return recipes.parse(
                self.recipe_text, origin, (), catalog, old=True, translator_only=translator_only
            )
        except ImtransError as error:
            raise ImtransError(f"{error}{self._plugins_to_install(catalog)}") from error

    def _plugins_to_install(self, catalog: Catalog | None) -> str:
        installed = {plugin.distribution for plugin in catalog.plugins} if catalog else set()
        needed = self._value("plugins")
        versions = needed.items() if isinstance(needed, dict) else ()
        missing = [f"{name}=={version}" for name, version in versions if name not in installed]
        missing = [each for each in missing if REQUIREMENT.fullmatch(each)]
        if not missing:
            return ""
        return f"\n  it was written with plugins that are not here: pip install {' '.join(missing)}"


def save(
    folder: Path, parts: Mapping[str, State], task: Task, facts: Mapping[str, str] | None = None
) -> None:
    """Write a checkpoint directory, whole or not at all. Raises ImtransError.

    `parts` is name -> tensors: `training`, and the networks and translators of the task's method.
    `facts` go into every header.
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
    if not folder.parent.is_dir():  # making it anew would hide that a run was moved away
        raise ImtransError(
            f"{folder}: cannot write the checkpoint: {folder.parent} is gone. was it moved or "
            "deleted?"
        )
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        for name, state in parts.items():
            _write(partial / f"{name}{SUFFIX}", state, {**header, "part": name})
        _sync(write_sums(partial))
        _sync(partial)
        _replace(partial, folder)
    except (OSError, SafetensorError) as error:
        raise ImtransError(f"{folder}: cannot write the checkpoint: {_reason(error)}") from error
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
        raise ImtransError(f"{folder}: cannot remove it: {_reason(error)}") from error


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


def read_header(path: Path) -> Header:
    """The header of one file of a checkpoint. Raises ImtransError when it is none, or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ImtransError(f"{path}: {_why_unreadable(path, error)}") from error
    if "recipe" not in facts or "part" not in facts:
        raise ImtransError(f"{path}: a safetensors file, but not a checkpoint of imtrans")
    if facts.get("format") not in FORMATS:
        raise ImtransError(
            f"{path}: written in format {facts.get('format')} by imtrans {facts.get('imtrans')}; "
            f"this is imtrans {imtrans.__version__}, which reads up to format {FORMAT}. upgrade "
            "imtrans"
        )
    return Header(path, facts["part"], facts["recipe"], facts)


def read_headers(folder: Path) -> list[Header]:
    """The headers of all files of a checkpoint to continue from, that of the training first. Raises
    ImtransError when one is missing, damaged, or of another step."""
    training = read_header(folder / TRAINING)
    others = [part for part in training.parts if part != TRAINING]
    headers = [training, *(read_header(folder / part) for part in others)]
    if len({(header.step, header.epoch) for header in headers}) > 1:
        raise ImtransError(f"{folder}: its files are of different steps; use another checkpoint")
    return headers


def is_verified(path: Path) -> bool:
    """Whether a file has a sum, in itself or beside it; raises ImtransError when it is not what was
    written."""
    return check_seal(path, read_header(path).facts) or verify(path.parent, path.name)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, as they were written. Raises ImtransError when they changed since."""
    is_verified(path)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise ImtransError(f"{path}: {_why_unreadable(path, error)}") from error


def read_weights(path: Path, expected: State) -> dict[str, Tensor]:
    """The tensors of a network's file. Raises ImtransError when one is not finite, or not of the
    dtype that the network has."""
    found = read_tensors(path)
    for name, tensor in found.items():
        if name in expected and tensor.dtype != expected[name].dtype:
            raise ImtransError(
                f"{path}: '{name}' is {_dtype(tensor)}; the network has {_dtype(expected[name])}"
            )
        if not bool(tensor.isfinite().all()):
            raise ImtransError(f"{path}: '{name}' has values that are not finite; use another")
    return found


def load_into(network: nn.Module, path: Path) -> None:
    """Fill a network with a file's tensors. Raises ImtransError naming the first misfit."""
    expected = network.state_dict()
    found = read_weights(path, expected)
    for name in [*expected, *found]:
        if name not in found:
            raise ImtransError(f"{path}: the tensor '{name}' is missing")
        if name not in expected:
            raise ImtransError(f"{path}: the network has no tensor '{name}'")
        if found[name].shape != expected[name].shape:
            raise ImtransError(
                f"{path}: '{name}' is {tuple(found[name].shape)}; "
                f"the network has {tuple(expected[name].shape)}"
            )
    network.load_state_dict(found)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _is_name(name: object) -> bool:
    """Whether it can name a file beside this one, and nothing elsewhere."""
    return isinstance(name, str) and name.isidentifier()


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


def _why_unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as unreadable:
        return _reason(unreadable)
    if start[:2] in (b"PK", b"\x80\x02"):
        return "a PyTorch pickle, not a checkpoint. bring it in with `imtrans import-weights`"
    return f"not a whole safetensors file ({_reason(error)}). it may have been cut off; use another"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())
