"""`imtrans plugins new`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

from imtrans.cli.common import a_path, console, installed, say


class NewRole(StrEnum):
    generator = "generator"
    discriminator = "discriminator"
    adversarial = "adversarial"
    loss = "loss"
    metric = "metric"
    method = "method"
    layout = "layout"
    derivation = "derivation"
    augmentation = "augmentation"
    logger = "logger"
    command = "command"


def new(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="What it is called: the package is imtrans-NAME."),
    ],
    role: Annotated[
        NewRole, typer.Option(metavar="ROLE", help=f"What the plugin brings: {', '.join(NewRole)}.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            parser=a_path, metavar="DIR", help="Where to make imtrans-NAME/; here by default."
        ),
    ] = Path("."),
) -> None:
    """Write a package for a plugin of your own: a small component that works, to be changed.

    It has a module, tests, a recipe with drawn pictures to try it on, and a README; it installs and
    passes its tests as it is.

    Example: `imtrans plugins new edges --role loss`
    """
    from shlex import quote

    from imtrans.scaffold.package import write_package
    from imtrans.scaffold.roles import ROLES

    root = context.find_root()
    commands = root.command.list_commands(root) if isinstance(root.command, TyperGroup) else ()
    package = write_package(name, role.value, output, installed(), commands)
    out = console()
    say(out, f"written to {package}: the {ROLES[role].noun} of a plugin, to be changed. next:")
    say(
        out,
        f'  cd {quote(str(package))}; pip install -e ".[test]"; pytest; '
        f"imtrans plugins check {package.name}",
    )
