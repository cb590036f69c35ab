"""The options of translators that draw random numbers, which several commands have."""

from typing import Annotated

import typer

PANEL = "Sampling"

NfeOption = Annotated[
    int | None,
    typer.Option(
        "--nfe",
        metavar="N",
        min=1,
        max=100_000,
        help="Network evaluations for an output, of a method that samples in several; by default "
        "those of its recipe.",
        rich_help_panel=PANEL,
    ),
]
DropoutSeedOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        max=2**32 - 1,
        help="Keep dropout on, with the noise of this seed; and the seed of what samples.",
        rich_help_panel=PANEL,
    ),
]
SamplesOption = Annotated[
    int | None,
    typer.Option(
        metavar="K",
        min=1,
        max=1000,
        help="So many outputs for each image, of seeds one after the other.",
        rich_help_panel=PANEL,
    ),
]
MeasuredSamplesOption = Annotated[
    int | None,
    typer.Option(
        "--samples",
        metavar="K",
        min=2,
        max=100,
        help="Translate each image K times, with seeds one after the other, and measure their "
        "diversity too. It takes K times as long.",
        rich_help_panel=PANEL,
    ),
]
