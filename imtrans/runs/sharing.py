"""A run as it may leave the machine: what translates, without the machine's paths.

A recipe names folders, and folders name people: /home/anna/patients. Of each path the last name is
kept, and loggers are left out, since they may hold accounts. The recipe is in the header of every
file of a checkpoint too, so these are written again, with the same tensors and a new sum.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from imtrans.recipe import toml
from imtrans.recipe.reading import values_of
from imtrans.recipe.schema import Recipe
from imtrans.runs.checkpoint import translator_file
from imtrans.runs.checksums import write_sums
from imtrans.runs.header import SUFFIX, Header, read_header
from imtrans.runs.sealed import write_sealed
from imtrans.runs.weights import read_tensors

RECIPE = "recipe.toml"
# /..., \..., ~..., C:\..., file:..., ../..., or anything with such a part in it
ABSOLUTE = re.compile(r"(^|[\s'\"=,])([\\/~]|[A-Za-z]:[\\/]|file:)|(^|[\\/])\.\.([\\/]|$)")
WORDS = {"title", "reference"}  # written for people: they may mention what they like
NO_NAME = "data"


def shareable_recipe(recipe: Recipe) -> str:
    """The recipe as TOML, with names in the place of paths, and without loggers."""
    values = {key: value for key, value in values_of(recipe).items() if key != "logger"}
    kept = {key: value if key in WORDS else _without_paths(value) for key, value in values.items()}
    kept["data"]["root"] = last_name(recipe.data.root)
    if recipe.train.init_from:
        kept["train"]["init_from"] = last_name(recipe.train.init_from)
    return toml.dumps(kept)


def last_name(path: str) -> str:
    """The last name of a path, which may be of another system; `data` where it is a person's."""
    names = [name for name in re.split(r"[\\/]", path) if name not in ("", ".", "..", "~")]
    home = ""
    with suppress(RuntimeError):
        home = Path.home().name
    if not names or names[-1] == home or re.fullmatch(r"[A-Za-z]:", names[-1]):
        return NO_NAME
    return names[-1]


def _without_paths(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_paths(inner) for inner in value]
    if isinstance(value, str) and ABSOLUTE.search(value):
        return last_name(value)
    return value


def write_shareable(checkpoint: Path, folder: Path) -> list[Path]:
    """Write the translators of a checkpoint directory into a folder, with their recipe and their
    sums: what can be translated with, and nothing to continue a training from. Returns the files.
    Raises ImtransError when one is damaged, and OSError."""
    first = read_header(translator_file(checkpoint))
    text = shareable_recipe(first.recipe())
    names = first.translators
    written = [_write(translator_file(checkpoint, name), names, text, folder) for name in names]
    recipe = folder / RECIPE
    recipe.write_text(text, encoding="utf-8")
    return [*written, recipe, write_sums(folder)]


def _write(file: Path, names: list[str], recipe: str, folder: Path) -> Path:
    header: Header = read_header(file)
    facts = {key: value for key, value in header.facts.items() if key != "files"}
    place = folder / f"{header.part}{SUFFIX}"
    write_sealed(place, read_tensors(file), {**facts, "recipe": recipe, "parts": json.dumps(names)})
    return place
