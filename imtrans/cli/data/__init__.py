"""`imtrans data`: look at pairs, check them, feed them faster, fetch published ones."""

import typer

from imtrans.cli.data.bench import bench
from imtrans.cli.data.cache import cache
from imtrans.cli.data.check import check
from imtrans.cli.data.fetch import fetch
from imtrans.cli.data.show import show
from imtrans.cli.groups import CommandGroup

data = typer.Typer(
    cls=CommandGroup,
    help="Check pairs before training, look at them, measure and speed up their loading, fetch "
    "published sets.\n\nExample: `imtrans data check recipes/facades.toml`",
    no_args_is_help=True,
)
data.command()(check)
data.command()(show)
data.command()(bench)
data.command()(cache)
data.command()(fetch)
