"""What a file of a checkpoint says about itself, in its metadata."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

import imtrans
from imtrans.api.errors import ImtransError
from imtrans.api.samplers import NFE
from imtrans.data.scale import TrainingScale
from imtrans.host.foreign import FAULTS, whole_number
from imtrans.host.words import plain
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog
from imtrans.recipe.schema import Recipe

FORMAT = "2"
FORMATS = ("1", FORMAT)  # 1: before methods; pix2pix alone
SUFFIX = ".safetensors"
GENERATOR, TRAINING = (f"{part}{SUFFIX}" for part in ("generator", "training"))
# What a person is asked to give to a shell: a distribution and its version, and nothing else.
REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!_-]+")


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
    def scale(self) -> TrainingScale | None:
        """At which scale this part translates; None where that is not known."""
        noted = self.facts.get(f"scale/{self.part}")
        return TrainingScale.loads(noted, self.path) if noted else None

    @property
    def nfe(self) -> int | None:
        """How many network evaluations this part takes for an output by its recipe; None where it
        has no such number."""
        fact = f"{NFE}/{self.part}"
        return self.number(fact) if fact in self.facts else None

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

    @property
    def plugins(self) -> dict[str, str]:
        """The distributions that the recipe draws on, each with what pip is to be asked for."""
        noted = self._value("plugins")
        versions = noted.items() if isinstance(noted, dict) else ()
        needed = {name: f"{name}=={version}" for name, version in versions}
        return {name: each for name, each in needed.items() if REQUIREMENT.fullmatch(each)}

    def _plugins_to_install(self, catalog: Catalog | None) -> str:
        installed = {plugin.distribution for plugin in catalog.plugins} if catalog else set()
        missing = [each for name, each in self.plugins.items() if name not in installed]
        if not missing:
            return ""
        return f"\n  it was written with plugins that are not here: pip install {' '.join(missing)}"


def read_header(path: Path) -> Header:
    """The header of one file of a checkpoint. Raises ImtransError when it is none, or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ImtransError(f"{path}: {why_unreadable(path, error)}") from error
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


def _is_name(name: object) -> bool:
    """Whether it can name a file beside this one, and nothing elsewhere."""
    return isinstance(name, str) and name.isidentifier()


def why_unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as unreadable:
        return reason_of(unreadable)
    if start[:2] in (b"PK", b"\x80\x02"):
        return "a PyTorch pickle, not a checkpoint. bring it in with `imtrans import-weights`"
    return (
        f"not a whole safetensors file ({reason_of(error)}). it may have been cut off; use another"
    )


def reason_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split())
