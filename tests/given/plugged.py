"""A catalog with the core and a plugin that a test writes down."""

from importlib.metadata import distribution
from types import SimpleNamespace

from imtrans.api.hookspecs import hookimpl
from imtrans.recipe.catalog import GROUP, collect


class Point:
    """An entry point whose module has these hooks."""

    name, value, dist = "test_plugin", "test_plugin", None

    def __init__(self, hooks):
        self.hooks = hooks

    def load(self):
        return SimpleNamespace(**self.hooks)


def with_plugin(**roles):
    """with_plugin(losses={"dim": build}): the core's components, and those by their roles."""
    hooks = {f"register_{role}": _hook(components) for role, components in roles.items()}
    core = distribution("imtrans").entry_points.select(group=GROUP)
    return collect([*core, Point(hooks)])


def _hook(components):
    @hookimpl
    def register_all(register):
        for name, builder in components.items():
            register(name, builder)

    return register_all
