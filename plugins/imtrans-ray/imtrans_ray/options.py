"""The options of `imtrans ray translate`: those that `imtrans translate` has too mean the same."""

from enum import StrEnum
from typing import Annotated

import typer

NETWORK, WORKERS = "Network", "Workers"


class Statistics(StrEnum):
    image = "image"
    running = "running"


class Precision(StrEnum):
    fp32 = "fp32"
    bf16 = "bf16"


InputsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT", help="Tar files, a folder of tar files, or a folder of images."
    ),
]
OutputOption = Annotated[str, typer.Option(metavar="PATH", help="The folder of the results.")]
CheckpointOption = Annotated[
    str,
    typer.Option(
        metavar="PATH",
        help="A run, a checkpoint directory, a generator.safetensors, or hf://OWNER/NAME of a hub.",
    ),
]
BestOption = Annotated[
    bool, typer.Option("--best", help="The run's best on validation pairs, not its newest.")
]
TranslatorOption = Annotated[
    str, typer.Option(metavar="NAME", help="Which of several translators, as generator_back.")
]
SourceOption = Annotated[
    str | None,
    typer.Option(
        metavar="FIELD",
        help="Of shards: the images KEY.FIELD.EXT; by default KEY.source.EXT, or KEY.EXT in a "
        "shard without these.",
    ),
]
ImagesPerShardOption = Annotated[
    int, typer.Option(metavar="N", min=1, help="Of a folder of images: how many go together.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace shards that are there already.")
]
SizeOption = Annotated[
    str,
    typer.Option(
        metavar="trained|native|PX",
        help="At which size the network sees an image: that of training, its own, or PX. The "
        "result has the image's own size.",
        rich_help_panel=NETWORK,
    ),
]
StatisticsOption = Annotated[
    Statistics,
    typer.Option(
        help="What batch norm uses: each image's own values, or the training's.",
        rich_help_panel=NETWORK,
    ),
]
DropoutSeedOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        max=2**32 - 1,
        help="Keep dropout on, with the noise of this seed; and the seed of what samples.",
        rich_help_panel=NETWORK,
    ),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Read images up to this size; by default the recipe's limit.",
        rich_help_panel=NETWORK,
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(help="bf16 where the device is good at it, by default.", rich_help_panel=NETWORK),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=4096,
        help="Images that go through the network together; by default what suits the device.",
        rich_help_panel=WORKERS,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Processes that translate; by default one for each GPU, or without GPUs for each "
        "4 cores.",
        rich_help_panel=WORKERS,
    ),
]
CpusPerWorkerOption = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        min=0.1,
        help="Cores of each; by default its share.",
        rich_help_panel=WORKERS,
    ),
]
GpusPerWorkerOption = Annotated[
    float | None,
    typer.Option(
        metavar="N",
        min=0,
        help="GPUs of each, as 0.5; by default 1 where there are any.",
        rich_help_panel=WORKERS,
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="auto|HOST:PORT|ray://...",
        help="The cluster to join; by default one of this machine is started.",
        rich_help_panel=WORKERS,
    ),
]
