"""Find the installed plugins and collect what they register.

imtrans's own components are named in its own entry points and found like everybody else's.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

import imtrans
from imtrans.api import hookspecs, version
from imtrans.api.errors import ImtransError, did_you_mean
from imtrans.recipe.registry import Plugin, Registry

GROUP = "imtrans"
DECLARED = "IMTRANS_API"  # of a plugin's module: the version of the API that it was written for


def _registry(role: str, *facts: str) -> Registry:
    registry: Registry = field(default_factory=lambda: Registry(role, facts))
    return registry


@dataclass
class Catalog:
    """Every component that is installed, and every plugin that failed."""

    methods: Registry = _registry("method", "parts")
    generators: Registry = _registry("generator", "in_channels", "out_channels")
    discriminators: Registry = _registry("discriminator", "source_channels", "target_channels")
    adversarial: Registry = _registry("adversarial loss")
    losses: Registry = _registry("loss")
    layouts: Registry = _registry("layout", "root")
    derivations: Registry = _registry("derivation")
    augmentations: Registry = _registry("augmentation")
    metrics: Registry = _registry("metric")
    loggers: Registry = _registry("logger", "run_dir", "recipe")
    plugins: list[Plugin] = field(default_factory=list)
    unusable: dict[Plugin, str] = field(default_factory=dict)  # and why

    @property
    def broken(self) -> list[str]:
        """A line for each plugin that failed."""
        return [f"plugin {plugin} cannot be used: {why}" for plugin, why in self.unusable.items()]

    def unknown(self, role: str, name: str) -> str:
        """What to say of a component that is not here: a plugin that failed may bring it."""
        text = self.registries[role].unknown(name)
        if "did you mean" in text or not self.unusable:
            return text
        return f"no {role} '{name}'; {'. '.join(self.broken)}. mend it, if it brings '{name}'"

    @property
    def registries(self) -> dict[str, Registry]:
        """The registries by role."""
        found = (value for value in vars(self).values() if isinstance(value, Registry))
        return {registry.role: registry for registry in found}


@cache
def catalog() -> Catalog:
    """The catalog of this Python environment; made once."""
    return collect(entry_points(group=GROUP))


def collect(points: Iterable[EntryPoint]) -> Catalog:
    """Import each plugin and let it register.

    A plugin whose code fails is listed in `broken` and costs only its own components. A
    taken name, a builder that cannot be checked or a misspelt hook is an ImtransError: leaving it
    out would let a recipe mean something else than its author thinks.
    """
    made = Catalog()
    for point, plugin in _core_first(points):
        try:
            module = point.load()
            if refusal := refused_version(module, plugin):
                made.unusable[plugin] = refusal
                continue
            _let_register(module, plugin, made)
            made.plugins.append(plugin)
        except ImtransError:
            raise
        except (
            Exception,
            SystemExit,
        ) as error:  # a third party's code: anything may come
            made.unusable[plugin] = _one_line(error)
    return made


def refused_version(module: object, plugin: Plugin) -> str:
    """Why a plugin that was written for another version of the API cannot be used; empty if it
    can."""
    written_for = getattr(module, DECLARED, version.VERSION)
    if not isinstance(written_for, int) or written_for < 1:
        return f"its {DECLARED} is {written_for!r}, not a whole number from 1"
    if written_for > version.VERSION:
        return (
            f"it was written for version {written_for} of the plugin API, and imtrans "
            f"{imtrans.__version__} has version {version.VERSION}: pip install --upgrade imtrans"
        )
    hooks = [name for name, value in vars(module).items() if hasattr(value, f"{GROUP}_impl")]
    changes = [
        f"since version {change.version} {change.what}: {change.remedy}"
        for change in version.breaking(written_for, hooks)
    ]
    if not changes:
        return ""
    return (
        f"it was written for version {written_for} of the plugin API. {'. '.join(changes)}. a "
        f"newer release may have done so: pip install --upgrade {plugin.distribution}"
    )


def _let_register(module: object, plugin: Plugin, made: Catalog) -> None:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise ImtransError(f"plugin {plugin}: {_misspelt(error)}") from error
    registered: list[tuple[Registry, str, Callable[..., Any]]] = []
    for hook, registry in vars(made).items():
        if isinstance(registry, Registry):
            getattr(manager.hook, f"register_{hook}")(
                register=lambda name, builder, to=registry: registered.append((to, name, builder))
            )
    if not registered:
        raise LookupError("it registers nothing; is '@hookimpl' missing before its hook?")
    # Only now: a plugin that fails halfway leaves nothing behind.
    for registry, name, builder in registered:
        registry.register(name, builder, plugin)


def _core_first(points: Iterable[EntryPoint]) -> list[tuple[EntryPoint, Plugin]]:
    """In a fixed order, ours first, so that a clash always names the newcomer second."""
    read: dict[int, tuple[str, str]] = {}  # to parse the metadata takes longer than to register
    found = []
    for point in points:
        if id(point.dist) not in read:
            read[id(point.dist)] = _distribution(point)
        found.append((point, Plugin(point.value, *read[id(point.dist)])))
    return sorted(found, key=lambda x: (x[1].distribution != GROUP, x[1].distribution, x[0].name))


def _distribution(point: EntryPoint) -> tuple[str, str]:
    """Its name and version."""
    if not point.dist:
        return "unknown", "?"
    metadata = point.dist.metadata
    return metadata["Name"], metadata["Version"]


def _misspelt(error: pluggy.PluginValidationError) -> str:
    unknown = re.search(r"unknown hook '(\w+)'", str(error))
    if not unknown:
        return _one_line(error)
    known = [name for name in vars(hookspecs) if name.startswith("register_")]
    return f"unknown hook '{unknown[1]}'{did_you_mean(unknown[1], known)}"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
