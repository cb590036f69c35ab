from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli.common import CheckpointHelp, a_path, echo


def inspect(
    checkpoint: Annotated[
        Path, typer.Argument(parser=a_path, metavar="CHECKPOINT", help=CheckpointHelp)
    ],
) -> None:
    """Describe a checkpoint: networks, sizes, training so far, versions and the whole recipe.

    Example: `imtrans inspect runs/maps`
    """
    from imtrans.runs.inspection import describe

    echo(describe(checkpoint))
