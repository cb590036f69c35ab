"""`imtrans data`: look at pairs, check them, feed them faster, fetch published ones."""

import typer

data = typer.Typer(
    help="Check pairs before training, look at them, measure and speed up their loading, fetch "
    "published sets.\n\nExample: `imtrans data check recipes/facades.toml`",
    no_args_is_help=True,
)
