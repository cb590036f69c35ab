"""The components of a role, as `imtrans plugins show` has them: docstring and options."""

from functools import cache

from allowed import allowed, as_toml
from included import ROOT

from imtrans.recipe.catalog import Catalog, catalog
from imtrans.recipe.registry import Component


def components(*role: str) -> str:
    """A section for each: imtrans's own, then those of the plugins in the repository."""
    found = [each for each in _catalog().registries[" ".join(role)] if _is_here(each)]
    found.sort(key=lambda each: each.plugin.is_third_party)
    return "\n\n".join(map(_section, found))


@cache
def _catalog() -> Catalog:
    return catalog()


def _is_here(component: Component) -> bool:
    place = component.plugin.distribution
    return place == "imtrans" or (ROOT / "plugins" / place).is_dir()


def _section(component: Component) -> str:
    parts = [f"#### {component.name} {{#{component.role.replace(' ', '-')}-{component.name}}}"]
    if component.plugin.is_third_party:
        name = component.plugin.distribution
        parts.append(f"*From the plugin [{name}](../plugins/{name}/README.md).*")
    parts.append(component.documentation)
    if component.fixed:
        given = ", ".join(f"`{name} = {value}`" for name, value in component.fixed.items())
        parts.append(f"With {given.replace('True', 'true').replace('False', 'false')}.")
    if component.options:
        parts.append(_options(component))
    return "\n\n".join(parts)


def _options(component: Component) -> str:
    rows = [
        f"| `{name}` | {allowed(each.annotation)} | "
        f"{'must be given' if each.default is each.empty else as_toml(each.default)} |"
        for name, each in component.options.items()
    ]
    return "\n".join(["| option | values | default |", "|---|---|---|", *rows])
