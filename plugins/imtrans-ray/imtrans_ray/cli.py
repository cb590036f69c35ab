"""`imtrans ray translate`: the command."""

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

import typer

from imtrans_ray import options

if TYPE_CHECKING:
    from imtrans_ray.running import Outcome

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")


@app.callback()
def ray() -> None:
    """Translate on many processes or machines, by Ray."""


@app.command()
def translate(
    inputs: options.InputsArgument,
    output: options.OutputOption,
    checkpoint: options.CheckpointOption,
    best: options.BestOption = False,
    translator: options.TranslatorOption = "generator",
    source: options.SourceOption = None,
    images_per_shard: options.ImagesPerShardOption = 1000,
    overwrite: options.OverwriteOption = False,
    size: options.SizeOption = "trained",
    statistics: options.StatisticsOption = options.Statistics.image,
    dropout_seed: options.DropoutSeedOption = None,
    max_pixels: options.MaxPixelsOption = None,
    precision: options.PrecisionOption = None,
    batch_size: options.BatchSizeOption = None,
    workers: options.WorkersOption = None,
    cpus_per_worker: options.CpusPerWorkerOption = None,
    gpus_per_worker: options.GpusPerWorkerOption = None,
    address: options.AddressOption = None,
) -> None:
    """Translate tar shards, or a folder of images into tar shards, here or s3://.

    A shard of results has the name of its input and, for each KEY.source.png or KEY.png there, a
    KEY.output.png. The same command again continues after the shards that are there. An image that
    cannot be read is reported and left out, and the exit code is 1.

    Example: `imtrans ray translate --checkpoint runs/maps shards/ --output translated/`
    """
    from imtrans_ray.running import Order, run

    of_load = {
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
        options=of_load,
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
    raise typer.Exit(_told(partial(run, order, _note), output))


def _told(running: "Callable[[], Outcome]", output: str) -> int:
    """Translate, and say what became of the images; the exit code."""
    start = monotonic()
    try:
        outcome = running()
    except KeyboardInterrupt:
        _note("interrupted; the same command continues")
        return 130
    for line in outcome.lines():
        _note(line)
    typer.echo(_shown(outcome.summary(output, monotonic() - start)))
    return 1 if outcome.failed else 0


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
