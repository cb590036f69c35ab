from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli.common import CheckpointHelp


def inspect(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help=CheckpointHelp)],
) -> None:
    """Say what a checkpoint is: networks, sizes, training so far, versions, the whole recipe.

    Example: `imtrans inspect runs/maps`
    """
    from imtrans.runs.inspection import describe

    typer.echo(describe(checkpoint))
