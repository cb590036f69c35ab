"""What an installed distribution brings, and why it brings nothing."""

import json
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imtrans.recipe.catalog import GROUP, catalog
from imtrans.testing.promises import brought_by


def missing(name: str) -> str | None:
    """What to do so that what a distribution brings can be tested; None if it brings anything."""
    if next(brought_by(catalog(), [name]), None):
        return None
    try:
        points = distribution(name).entry_points
    except PackageNotFoundError:
        return f"'{name}' is not installed here: run `pip install -e .` in its folder"
    return _nothing_registered(name, points)


def _nothing_registered(name: str, points: Iterable[EntryPoint]) -> str:
    own = [point for point in points if point.group == GROUP]
    failed = [line for line in catalog().broken if any(p.value in line for p in own)]
    if failed:
        return failed[0]
    return (
        f"'{name}' registers nothing: it needs an entry point in its pyproject.toml, "
        f'[project.entry-points.{GROUP}] x = "its_module", and `pip install -e .` after that'
    )


def recipe_files(name: str, folder: Path | None = None) -> list[Path]:
    """The recipes that a distribution ships, or that are in its folder."""
    found = distribution(name)
    folder = folder or _edited(found)
    inside = folder.rglob("*.toml") if folder else _shipped(found)
    return sorted(path for path in inside if not _is_left(path, folder) and _is_recipe(path))


def _is_left(path: Path, folder: Path | None) -> bool:
    """What is below a `.venv`, and the recipe that a training left in its run: the plugin may have
    changed since."""
    parts = path.relative_to(folder).parts if folder else path.parts[-1:]
    hidden = any(part.startswith(".") for part in parts)
    return hidden or (path.parent / "checkpoints").is_dir()


def _shipped(found: Distribution) -> Iterator[Path]:
    for file in found.files or ():
        if file.suffix == ".toml":
            yield Path(str(found.locate_file(file))).resolve()


def _edited(found: Distribution) -> Path | None:
    """The folder of a distribution that was installed with `pip install -e`."""
    url = json.loads(found.read_text("direct_url.json") or "{}")
    if not url.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(url["url"]).path))


def _is_recipe(path: Path) -> bool:
    """Whether a TOML file has the table that each recipe has."""
    try:
        return "data" in tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
