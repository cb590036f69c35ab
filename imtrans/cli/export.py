from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import a_path, complain, echo, installed
from imtrans.cli.sampling_options import NfeOption
from imtrans.cli.trained import trained
from imtrans.cli.translate_options import (
    BestOption,
    CheckpointOption,
    RunNameOption,
    Statistics,
    TranslatorOption,
)


class ExportFormat(StrEnum):
    pt2 = "pt2"
    onnx = "onnx"
    web = "web"


class FilePrecision(StrEnum):
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class Values(StrEnum):
    pixels = "pixels"
    network = "network"


def export(
    format: Annotated[
        ExportFormat,
        typer.Option(
            help="pt2: for torch.export.load; onnx: for onnxruntime and others; web: a folder with "
            "a page to draw on, for any static server."
        ),
    ],
    recipe: RunNameOption = None,
    checkpoint: CheckpointOption = None,
    best: BestOption = False,
    output: Annotated[
        Path | None,
        typer.Option(
            parser=a_path, metavar="FILE", help="By default NAME.onnx, NAME.pt2, or NAME-web."
        ),
    ] = None,
    translator: TranslatorOption = "generator",
    precision: Annotated[
        FilePrecision,
        typer.Option(help="What the network computes in; it takes and gives float32."),
    ] = FilePrecision.fp32,
    statistics: Annotated[
        Statistics,
        typer.Option(help="What batch norm uses: each image's own values, or the training's."),
    ] = Statistics.image,
    values: Annotated[
        Values, typer.Option(help="pixels: as files have them, 0 to 255; network: -1 to 1.")
    ] = Values.pixels,
    nfe: NfeOption = None,
    runtime: Annotated[
        Path | None,
        typer.Option(
            parser=a_path,
            metavar="DIR",
            help="web: onnxruntime-web as npm installs it; by default it is fetched once.",
        ),
    ] = None,
) -> None:
    """Write a translator as one file that runs without imtrans: with torch alone, or as ONNX; or as
    a page, on which one draws and sees the output.

    It takes any number of images of any size that its stride divides, and its metadata says all
    that is needed to feed it. What it computes is compared with imtrans on images of three random
    sizes; if they differ, nothing is written and the exit code is 1. Of a method that samples, it
    takes noise as a second input, of standard normal values.

    Example: `imtrans export --recipe maps --format onnx`
    """
    from imtrans.translation.export.exporting import export as write
    from imtrans.translation.export.parity import ParityError

    if runtime is not None and format != ExportFormat.web:
        raise ImtransError("--runtime is of --format web")
    name, source = trained(recipe, checkpoint, best, translator)
    installed()
    if precision != FilePrecision.fp32:
        name = f"{name}-{precision.value}"
    try:
        exported = write(
            source,
            output or Path(f"{name}-web" if format == "web" else f"{name}.{format.value}"),
            format=format.value,
            translator=translator,
            precision=precision.value,
            statistics=statistics.value,
            values=values.value,
            nfe=nfe,
            runtime=runtime,
            say=partial(echo, err=True),
        )
    except ParityError as error:
        complain(f"error: {error}")
        raise typer.Exit(1) from error
    echo(str(exported))
    echo(str(exported.parity))
