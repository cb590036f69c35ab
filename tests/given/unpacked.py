"""Packages that are installed for the time of a test without pip: their entry points are found."""

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path

import pytest

from imtrans.recipe.catalog import catalog


@contextmanager
def unpacked(site: Path, *packages: Path) -> Iterator[None]:
    """What is in these folders can be imported and is found by its entry points; `site` is a new
    folder for what pip would note of them."""
    site.mkdir()
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        for package in packages:
            _note(site, package)
            patch.syspath_prepend(package)
        patch.syspath_prepend(site)
        catalog.cache_clear()
        yield
        for module in {module for package in packages for module in _modules(package)} - before:
            sys.modules.pop(module, None)
    invalidate_caches()
    catalog.cache_clear()


def _note(site: Path, package: Path) -> None:
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, points in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (folder / "entry_points.txt").write_text("\n".join(lines))


def _modules(package: Path) -> list[str]:
    return [path.stem for path in package.glob("*.py")]
