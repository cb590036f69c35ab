"""`imtrans plugins list` and `imtrans plugins show`."""

from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError, did_you_mean
from imtrans.cli.common import console, echo, installed

if TYPE_CHECKING:
    import inspect

    from imtrans.recipe.registry import Component


def list_() -> None:
    """List every component by role, with its options and the distribution it comes from.

    Example: `imtrans plugins list`
    """
    from imtrans.cli.tables import print_table

    rows = []
    for role, registry in installed().registries.items():
        for component in registry:
            plugin = component.plugin
            source = f"{plugin.distribution} {plugin.version}"
            rows.append([role, component.name, source, ", ".join(component.options)])
    print_table(console(), ["role", "name", "distribution", "options"], rows)


def show(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Show a component: what it is, where it comes from, its options and their defaults.

    Example: `imtrans plugins show unet_256`
    """
    registries = installed().registries.values()
    found = [registry[name] for registry in registries if name in registry]
    if not found:
        known = [other for registry in registries for other in registry.names()]
        near = did_you_mean(name, known) or ". `imtrans plugins list` lists all"
        raise ImtransError(f"no component '{name}'{near}")
    for component in found:
        _describe(component)


def _describe(component: "Component") -> None:
    echo(f"{component.role} '{component.name}'\n{component.documentation}\n")
    echo(f"from  {component.plugin}")
    for name, value in component.fixed.items():
        echo(f"with  {name} = {value}")
    echo("options" if component.options else "no options")
    for parameter in component.options.values():
        echo(f"  {_option(parameter)}")


def _option(parameter: "inspect.Parameter") -> str:
    """`width: int, >= 1 (default 64)`, from the annotation."""
    from imtrans.recipe.registry import describe_annotation

    default = "required" if parameter.default is parameter.empty else f"default {parameter.default}"
    return f"{parameter.name}: {describe_annotation(parameter.annotation)} ({default})"
