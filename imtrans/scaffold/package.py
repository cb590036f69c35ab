"""A ready package of one plugin: what its files say, and writing them.

What packages of all roles share is in templates/pyproject.toml.jinja, README.md.jinja,
recipe.toml.jinja, module.py.jinja and test.py.jinja; of each role there is a module and its tests.
"""

import ast
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path

import jinja2

from imtrans.api.errors import ImtransError
from imtrans.api.version import VERSION
from imtrans.recipe.catalog import Catalog
from imtrans.scaffold.demo import write_demo
from imtrans.scaffold.names import PluginNames, names_of
from imtrans.scaffold.roles import ROLES, PluginRole

TEMPLATES = Path(__file__).parent / "templates"


def write_package(
    name: str, role: str, folder: Path, catalog: Catalog, commands: Collection[str] = ()
) -> Path:
    """Write the package imtrans-NAME/ of a plugin into a folder; returns its path.

    It is installed with `pip install -e`, and its tests pass. `commands` are those of imtrans.
    Raises ImtransError where the name is none or taken, also by a file or a folder.
    """
    facts = ROLES[role]
    names = names_of(name, facts, catalog, commands)
    texts = rendered(names, role, facts)
    package = folder / names.distribution
    try:
        package.mkdir(parents=True)
    except FileExistsError as error:
        raise ImtransError(
            f"{package}: is there already. choose another name, or another place with --output"
        ) from error
    for path, text in texts.items():
        (package / path).parent.mkdir(exist_ok=True)
        (package / path).write_text(text, encoding="utf-8", newline="\n")
    write_demo(package / "demo", facts.demo)
    return package


def rendered(names: PluginNames, role: str, facts: PluginRole) -> dict[str, str]:
    """The texts of a package, by their paths in it."""
    what = f"The {facts.noun} '{names.component}'" if facts.hook else f"`imtrans {names.command}`"
    filled = {
        "role": role,
        "noun": facts.noun,
        "hook": facts.hook,
        "demo": facts.demo,
        "advice": facts.advice,
        "sentence": f"{what} {facts.does}",
        "api": str(VERSION),
        "title": f"A demonstration of the {facts.noun} '{names.component}'",
        "name": names.component,
        "shown": names.component if facts.hook else names.command,
        **vars(names),
    }
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        f"{names.module}.py": f"{role}.py",
        f"{names.component}.toml": "recipe.toml",
        f"tests/test_{names.component}.py": f"test_{role}.py",
    }
    texts = {path: _filled(template, filled) for path, template in files.items()}
    _refuse_a_class_that_is_imported(texts[f"{names.module}.py"], names)
    return texts


def _refuse_a_class_that_is_imported(code: str, names: PluginNames) -> None:
    """An `image` that is a metric would be the class ImageMetric, which it derives from."""
    imports = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom))
    if names.class_name in {alias.name for node in imports for alias in node.names}:
        raise ImtransError(
            f"'{names.component}' would make a class {names.class_name}, which imtrans has. choose "
            "another name"
        )


def _filled(template: str, facts: dict[str, str]) -> str:
    text = _templates().get_template(f"{template}.jinja").render(facts)
    # Where a block or a branch is empty, its lines are left.
    most = 3 if template.endswith(".py") else 2
    return re.sub(rf"\n{{{most},}}", "\n" * most, text).strip("\n") + "\n"


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=False,  # what is written is code, from checked names
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
