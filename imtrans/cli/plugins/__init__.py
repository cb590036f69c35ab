"""`imtrans plugins`: what is installed, the plugins it comes from, and packages for new ones."""

import typer

from imtrans.cli.groups import CommandGroup
from imtrans.cli.plugins.check import check
from imtrans.cli.plugins.listing import list_, show
from imtrans.cli.plugins.new import new

plugins = typer.Typer(
    cls=CommandGroup,
    help="List the installed components and the plugins they come from, show one, check a plugin, "
    "or write a new one.\n\n"
    "Example: `imtrans plugins show unet_256`",
    invoke_without_command=True,
)
plugins.command(name="list")(list_)
plugins.command()(show)
plugins.command()(check)
plugins.command()(new)


@plugins.callback()
def _default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_()
