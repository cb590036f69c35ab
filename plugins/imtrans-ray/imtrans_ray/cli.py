"""`imtrans ray translate`: the command."""

from enum import StrEnum
from time import monotonic
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
NETWORK, WORKERS = "Network", "Workers"


class Statistics(StrEnum):
    image = "image"
    running = "running"


class Precision(StrEnum):
    fp32 = "fp32"
    bf16 = "bf16"


@app.callback()
def ray() -> None:
    """Translate on many processes or machines, by Ray."""


@app.command()
def translate(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT", help="Tar files, a folder of tar files, or a folder of images."
        ),
    ],
    output: Annotated[str, typer.Option(metavar="PATH", help="The folder of the results.")],
    checkpoint: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="A run, a checkpoint directory, a generator.safetensors, or hf://OWNER/NAME of a "
            "hub.",
        ),
    ],
    best: Annotated[
        bool, typer.Option("--best", help="The run's best on validation pairs, not its newest.")
    ] = False,
    translator: Annotated[
        str, typer.Option(metavar="NAME", help="Which of several translators, as generator_back.")
    ] = "generator",
    source: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Of shards: the images KEY.FIELD.EXT; by default KEY.source.EXT, or KEY.EXT in a "
            "shard without these.",
        ),
    ] = None,
    images_per_shard: Annotated[
        int, typer.Option(metavar="N", min=1, help="Of a folder of images: how many go together.")
    ] = 1000,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace shards that are there already.")
    ] = False,
    size: Annotated[
        str,
        typer.Option(
            metavar="trained|native|PX",
            help="At which size the network sees an image: that of training, its own, or PX. The "
            "result has the image's own size.",
            rich_help_panel=NETWORK,
        ),
    ] = "trained",
    statistics: Annotated[
        Statistics,
        typer.Option(
            help="What batch norm uses: each image's own values, or the training's.",
            rich_help_panel=NETWORK,
        ),
    ] = Statistics.image,
    dropout_seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=2**32 - 1,
            help="Keep dropout on, with the noise of this seed; and the seed of what samples.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Read images up to this size; by default the recipe's limit.",
            rich_help_panel=NETWORK,
        ),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(
            help="bf16 where the device is good at it, by default.", rich_help_panel=NETWORK
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=4096,
            help="Images that go through the network together; by default what suits the device.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Processes that translate; by default one for each GPU, or without GPUs for each "
            "4 cores.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    cpus_per_worker: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0.1,
            help="Cores of each; by default its share.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    gpus_per_worker: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            min=0,
            help="GPUs of each, as 0.5; by default 1 where there are any.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="auto|HOST:PORT|ray://...",
            help="The cluster to join; by default one of this machine is started.",
            rich_help_panel=WORKERS,
        ),
    ] = None,
) -> None:
    """Translate tar shards, or a folder of images into tar shards, here or s3://.

    A shard of results has the name of its input and, for each KEY.source.png or KEY.png there, a
    KEY.output.png. The same command again continues after the shards that are there. An image that
    cannot be read is reported and left out, and the exit code is 1.

    Example: `imtrans ray translate --checkpoint runs/maps shards/ --output translated/`
    """
    from imtrans_ray.running import Order, run

    options = {
        "size": _size(size),
        "translator": translator,
        "statistics": statistics.value,
        "dropout_seed": dropout_seed,
        "max_pixels": max_pixels,
    }
    order = Order(
        inputs=inputs,
        output=output,
        checkpoint=checkpoint,
        best=best,
        options=options,
        precision=precision.value if precision else None,
        field=source,
        images_per_shard=images_per_shard,
        overwrite=overwrite,
        batch_size=batch_size,
        workers=workers,
        cpus=cpus_per_worker,
        gpus=gpus_per_worker,
        address=address,
    )
    start = monotonic()
    try:
        outcome = run(order, _note)
    except KeyboardInterrupt:
        _note("interrupted; the same command continues")
        raise typer.Exit(130) from None
    for line in outcome.lines():
        _note(line)
    typer.echo(_shown(outcome.summary(output, monotonic() - start)))
    raise typer.Exit(1 if outcome.failed else 0)


def _size(text: str) -> str | int:
    if text in ("trained", "native"):
        return text
    if text.isascii() and text.isdecimal() and 0 < int(text) < 2**31:
        return int(text)
    raise typer.BadParameter(
        f"'{text}' is not trained, native, or a number of px", param_hint="--size"
    )


def _note(text: str) -> None:
    typer.echo(_shown(text), err=True)


def _shown(text: str) -> str:
    """Names of files may hold what moves the cursor of a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
