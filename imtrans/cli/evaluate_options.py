"""The options of `imtrans evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from imtrans.cli import completion
from imtrans.cli.common import CheckpointHelp, a_path, not_empty

FoldersArgument = Annotated[
    list[str] | None,
    typer.Argument(
        parser=not_empty,
        metavar="[OUTPUTS TARGETS]",
        help="Two folders with images of the same names, or patterns such as "
        "'results/{name}_fake_B.png'; instead of a recipe or a checkpoint.",
    ),
]
RunOption = Annotated[
    str | None,
    typer.Option(
        parser=not_empty,
        metavar="RECIPE",
        help="What was trained: a run of this name in runs/.",
        autocompletion=completion.runs,
    ),
]
CheckpointOption = Annotated[
    str | None,
    typer.Option(
        parser=not_empty,
        metavar="CHECKPOINT",
        help=CheckpointHelp,
        autocompletion=completion.runs,
    ),
]
BestOption = Annotated[
    bool, typer.Option("--best", help="The run's best on validation pairs, not its newest.")
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        parser=not_empty,
        metavar="SPLIT",
        help="Of the recipe's data: test, train, ...; default: its validation pairs.",
    ),
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Measure this one, and only those so named; `imtrans plugins` lists them.",
    ),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="An option of a metric, as fid.weights=FILE, or a key of the recipe, as "
        "data.root=DIR.",
    ),
]
ScorerOption = Annotated[
    Path | None,
    typer.Option(
        parser=a_path,
        metavar="FILE",
        help="What `imtrans train-scorer` wrote; default: that of this data in scorers/.",
    ),
]
RangeOption = Annotated[
    tuple[float, float] | None,
    typer.Option("--range", metavar="LOW HIGH", help="Of the values of folders of floats."),
]
FolderOption = Annotated[
    Path | None,
    typer.Option(
        parser=a_path,
        metavar="DIR",
        help="Where the evaluation is written; default: RUN/evaluation/SPLIT, or "
        "OUTPUTS-evaluation.",
    ),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Read images up to this size; default: 25 million."),
]
