from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli import completion
from imtrans.cli.common import a_path, echo, not_empty

NamedRun = Annotated[
    str,
    typer.Argument(
        parser=not_empty,
        metavar="RUN",
        help="A run, its name in runs/, or a checkpoint directory.",
        autocompletion=completion.runs,
    ),
]
LicenseOption = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="Under which licence: apache-2.0, mit, cc-by-4.0 ...; else unknown."
    ),
]
BestOption = Annotated[
    bool, typer.Option("--best", help="The run's best on validation pairs, not its newest.")
]


def card(
    run: NamedRun,
    output: Annotated[
        Path | None,
        typer.Option(parser=a_path, metavar="FILE", help="Write it there, and print nothing."),
    ] = None,
    license: LicenseOption = None,
    best: BestOption = False,
) -> None:
    """Write a model card: task, data, recipe, metrics, licence and use, in Markdown.

    Its first lines are the YAML that hubs read. Paths are shortened to their last name.

    Example: `imtrans card runs/maps --license apache-2.0 --output README.md`
    """
    from imtrans.host.files import write_whole
    from imtrans.runs.card import card as card_of
    from imtrans.runs.card import facts_of

    text = card_of(facts_of(run, best=best), license=license)
    if output is None:
        echo(text.rstrip("\n"))
    else:
        write_whole(output, text.encode("utf-8", "replace"))
