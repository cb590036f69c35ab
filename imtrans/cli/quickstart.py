from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli.common import a_path, console, exit_if_interrupted, installed


def quickstart(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=a_path,
            metavar="DIR",
            help="A new folder for the pairs, the run and the results.",
        ),
    ],
    draw_only: Annotated[
        bool,
        typer.Option("--draw-only", help="Draw the pairs, and plans to translate; train nothing."),
    ] = False,
) -> None:
    """Draw a small paired data set, train on it and translate new plans: minutes on a CPU.

    Example: `imtrans quickstart demo`
    """
    from imtrans.cli.quickstart_run import draw
    from imtrans.cli.quickstart_run import quickstart as run

    out = console()
    if draw_only:
        draw(folder, out)
        return
    exit_if_interrupted(run(folder, installed(), out), out)
