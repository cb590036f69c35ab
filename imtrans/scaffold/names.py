"""The names of a new plugin: of its distribution, its module, its class and its component."""

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from imtrans.api.errors import ImtransError
from imtrans.recipe.catalog import Catalog
from imtrans.scaffold.roles import PluginRole

PREFIX = "imtrans-"
LONGEST = 30
PATTERN = re.compile(r"[a-z][a-z0-9]+(?:[-_][a-z0-9]+)*")


@dataclass(frozen=True)
class PluginNames:
    """`edge-aware` is imtrans-edge-aware, imtrans_edge_aware, EdgeAwareLoss and edge_aware."""

    distribution: str
    module: str
    class_name: str
    component: str
    command: str


def names_of(
    text: str, role: PluginRole, catalog: Catalog, commands: Collection[str] = ()
) -> PluginNames:
    """The names that follow from one, with or without `imtrans-`. Raises ImtransError where it is
    not a name, or is taken by what is installed here; `commands` are those of imtrans."""
    name = re.sub("^imtrans[-_]", "", text)
    if not PATTERN.fullmatch(name) or len(name) > LONGEST:
        raise ImtransError(_no_name(text, name))
    component = name.replace("-", "_")
    words = "".join(word.capitalize() for word in component.split("_"))
    names = PluginNames(
        distribution=PREFIX + name.replace("_", "-"),
        module=f"imtrans_{component}",
        class_name=words.removesuffix(role.suffix) + role.suffix,
        component=component,
        command=name.replace("_", "-"),
    )
    _refuse_a_taken_name(names, role, catalog, commands)
    _refuse_what_is_installed(names)
    return names


def _no_name(text: str, name: str) -> str:
    said = (
        f"'{text}' is not a name for a plugin: use 2 to {LONGEST} letters a-z and digits, a letter "
        "first, with '-' between words"
    )
    near = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-0123456789")[:LONGEST].strip("-")
    return f"{said}; did you mean '{near}'?" if PATTERN.fullmatch(near) else said


def _refuse_a_taken_name(
    names: PluginNames, role: PluginRole, catalog: Catalog, commands: Collection[str]
) -> None:
    if not role.hook:
        if names.command in commands:
            raise ImtransError(
                f"the command 'imtrans {names.command}' is there already. choose another name"
            )
        return
    registry = getattr(catalog, role.hook)
    if names.component in registry:
        raise ImtransError(
            f"the {role.noun} '{names.component}' is there already, from "
            f"{registry[names.component].plugin}. choose another name"
        )


def _refuse_what_is_installed(names: PluginNames) -> None:
    with suppress(PackageNotFoundError):
        installed = version(names.distribution)
        raise ImtransError(
            f"{names.distribution} {installed} is installed already. choose another name, or "
            "uninstall it"
        )
    if find_spec(names.module):
        raise ImtransError(f"there is a module '{names.module}' already. choose another name")
