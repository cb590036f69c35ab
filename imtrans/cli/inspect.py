from functools import partial
from typing import Annotated

import typer

from imtrans.cli import completion
from imtrans.cli.common import CheckpointHelp, echo, not_empty


def inspect(
    checkpoints: Annotated[
        list[str],
        typer.Argument(
            parser=not_empty,
            metavar="CHECKPOINT...",
            help=CheckpointHelp,
            autocompletion=completion.runs,
        ),
    ],
) -> None:
    """Describe checkpoints: networks, sizes, training so far, versions and the whole recipe.

    Example: `imtrans inspect runs/maps`
    """
    from imtrans.runs.hub.pull import local
    from imtrans.runs.inspection import describe

    for number, checkpoint in enumerate(checkpoints):
        described = describe(local(checkpoint, partial(echo, err=True)))
        echo(f"\n{described}" if number else described)
