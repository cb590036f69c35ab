from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli import completion
from imtrans.cli.common import CheckpointHelp, a_path, echo


def inspect(
    checkpoints: Annotated[
        list[Path],
        typer.Argument(
            parser=a_path,
            metavar="CHECKPOINT...",
            help=CheckpointHelp,
            autocompletion=completion.runs,
        ),
    ],
) -> None:
    """Describe checkpoints: networks, sizes, training so far, versions and the whole recipe.

    Example: `imtrans inspect runs/maps`
    """
    from imtrans.runs.inspection import describe

    for number, checkpoint in enumerate(checkpoints):
        echo(f"\n{describe(checkpoint)}" if number else describe(checkpoint))
