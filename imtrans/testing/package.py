"""Everything about a distribution of plugins: found, imported, registered, its promises, its
recipes."""

import tomllib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.contracts.broken import BrokenContract
from imtrans.host.foreign import reading
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import Catalog, catalog
from imtrans.recipe.registry import Component
from imtrans.testing.case import Case, NotChecked
from imtrans.testing.command import Command
from imtrans.testing.installed import missing, recipe_files
from imtrans.testing.promises import brought_by, cause, check, normal, promises_of, words

Options = Mapping[str, Mapping[str, Any]]  # values of options, by the component's name


@dataclass(frozen=True)
class Checked:
    """What was found of one subject: a component, a recipe, or the distribution itself."""

    subject: str
    kept: int = 0  # promises
    broken: Sequence[tuple[str, BrokenContract | str]] = ()  # each promise, and how
    skipped: Sequence[tuple[str, str]] = ()  # each promise, and why it was not checked
    untested: int = 0  # promises that are broken by a fault that is in `broken` already


def check_package(package: str, options: Options) -> Iterator[Checked]:
    """The findings about a distribution that is installed, or whose folder this is; each as it is
    made. Raises ImtransError where a folder has no pyproject.toml that names one."""
    folder = Path(package)
    name = _name_of(folder) if folder.is_dir() else package
    try:
        version = distribution(name).version
    except PackageNotFoundError:
        yield Checked(name, broken=[("is installed", missing_line(name, folder))])
        return
    try:
        installed = catalog()
    except ImtransError as error:
        yield Checked(f"{name} {version}", broken=[("registers", str(error))])
        return
    if fault := missing(name):
        yield Checked(f"{name} {version}", broken=[("registers", fault)])
    unusable = [
        line
        for plugin, line in zip(installed.unusable, installed.broken, strict=True)
        if normal(plugin.distribution) == normal(name)
    ]
    for line in unusable:
        if line != fault:
            yield Checked(f"{name} {version}", broken=[("registers", line)])
    for component in brought_by(installed, [name]):
        yield check_component(component, installed, options.get(component.name, {}))
    for file in recipe_files(name, folder if folder.is_dir() else None):
        yield _check_recipe(file, installed)


def missing_line(name: str, folder: Path) -> str:
    where = folder if folder.is_dir() else "FOLDER"
    return f"'{name}' is not installed in this Python: pip install -e {where}"


def check_component(
    component: Component | Command, installed: Catalog, options: Mapping[str, Any]
) -> Checked:
    """Every promise of one component."""
    kept, untested, broken, skipped = 0, 0, [], []
    causes: set[tuple[str, str]] = set()
    for promise in promises_of(component.role):
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                check(promise, Case(component, installed, Path(folder), options))
                kept += 1
            except NotChecked as reason:
                skipped.append((words(promise), str(reason)))
            except BrokenContract as error:
                if cause(error) in causes:
                    untested += 1
                else:
                    causes.add(cause(error))
                    broken.append((words(promise), error))
    return Checked(f"{component.role} '{component.name}'", kept, broken, skipped, untested)


def _check_recipe(file: Path, installed: Catalog) -> Checked:
    subject = f"recipe {file.name}"
    try:
        recipes.read(file, (), installed)
    except ImtransError as error:
        return Checked(subject, broken=[("can be read", " ".join(str(error).split()))])
    return Checked(subject, kept=1)


def _name_of(folder: Path) -> str:
    file = folder / "pyproject.toml"
    if not file.is_file():
        raise ImtransError(
            f"{folder}: no pyproject.toml there. name a plugin's folder, or a "
            "distribution that is installed"
        )
    with reading(file, "cannot be read"):
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    name = values.get("project", {}).get("name")
    if not isinstance(name, str):
        raise ImtransError(f"{file}: it has no project.name")
    return name
