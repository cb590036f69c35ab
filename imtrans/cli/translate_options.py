"""The options of `imtrans translate`, by what they are about."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import CheckpointHelp, a_path, not_empty

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imtrans.data.pixels.encode import FileFormat
    from imtrans.translation.loading import SizeChoice
    from imtrans.translation.translator import Translator

IMAGES_ALONE = (
    *("list_", "format_", "samples", "tile", "overlap"),
    *("batch_size", "workers", "compile_"),
)
FILES = "Files"
NETWORK = "Network"
SPEED = "Speed"


class Precision(StrEnum):
    fp32 = "fp32"
    bf16 = "bf16"


class Statistics(StrEnum):
    image = "image"
    running = "running"


class Format(StrEnum):
    png = "png"
    jpg = "jpg"
    webp = "webp"
    tif = "tif"
    bmp = "bmp"
    npy = "npy"


ListOption = Annotated[
    str | None,
    typer.Option(
        "--list",
        parser=not_empty,
        metavar="FILE",
        help="Only the images named in a file, a line each, below INPUT; - is stdin.",
        rich_help_panel=FILES,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        parser=a_path,
        metavar="PATH",
        help="The folder of the results, or the file of one; INPUT-NAME by default.",
        rich_help_panel=FILES,
    ),
]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace results that are there already.", rich_help_panel=FILES
    ),
]
FormatOption = Annotated[
    Format | None,
    typer.Option(
        "--format",
        help="The format of the results; by default each input's own where it loses nothing, else "
        "png or tif.",
        rich_help_panel=FILES,
    ),
]
QualityOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=100,
        help="The quality of jpg, 92 by default, and of webp, which is lossless without it.",
        rich_help_panel=FILES,
    ),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        help="Read images up to this size; by default the recipe's limit.",
        rich_help_panel=FILES,
    ),
]
InputsArgument = Annotated[
    list[Path] | None,
    typer.Argument(parser=a_path, metavar="INPUT", help="A folder of images, an image or a video."),
]
RunNameOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The recipe, or the run in runs/, that was trained."),
]
CheckpointOption = Annotated[
    str | None, typer.Option(parser=not_empty, metavar="PATH", help=CheckpointHelp)
]
BestOption = Annotated[
    bool, typer.Option("--best", help="The run's best on validation pairs, not its newest.")
]
TranslatorOption = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Which of several translators, as generator_back; `inspect` has them."
    ),
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
TileOption = Annotated[
    int | None,
    typer.Option(
        metavar="PX",
        help="Translate in tiles of so many px: for images that do not fit into memory.",
        rich_help_panel=NETWORK,
    ),
]
OverlapOption = Annotated[
    int | None,
    typer.Option(
        metavar="PX",
        help="How far tiles overlap; an eighth of a tile by default.",
        rich_help_panel=NETWORK,
    ),
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(help="bf16 where the device is good at it, by default.", rich_help_panel=SPEED),
]
BatchSizeOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=4096,
        help="Images that go through the network together; by default what suits the device. "
        "Results do not depend on it.",
        rich_help_panel=SPEED,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        max=256,
        help="Threads that read and write files; a core each by default.",
        rich_help_panel=SPEED,
    ),
]


CompileOption = Annotated[
    bool | None,
    typer.Option(
        "--compile/--no-compile",
        help="Compile the network first; by default a large one for 5,000 images or more.",
        show_default=False,
        rich_help_panel=SPEED,
    ),
]


def compile_from(chosen: bool | None, translator: "Translator") -> int | None:
    """From how many images on the network is compiled first: as was chosen, or where it is repaid.
    None: never."""
    from imtrans.translation.network.compiled import repaid_from

    if chosen is None:
        return repaid_from(translator.module, translator.device)
    return 1 if chosen else None


def size_choice(text: str) -> "SizeChoice":
    if text in ("trained", "native"):
        return cast("SizeChoice", text)
    if text.isascii() and text.isdecimal() and 0 < int(text) < 2**31:
        return int(text)
    raise typer.BadParameter(
        f"'{text}' is not trained, native, or a number of px", param_hint="--size"
    )


def file_format(chosen: Format | None, quality: int | None) -> "FileFormat":
    from imtrans.data.pixels.encode import FileFormat

    if quality is not None and chosen not in (Format.jpg, Format.webp):
        raise ImtransError("--quality is that of JPEG and WebP; add --format jpg, or webp")
    return FileFormat(f".{chosen}" if chosen else None, quality)


def refuse_for_video(given: "Mapping[str, object]") -> None:
    """Raise ImtransError for options, by the command's parameters, that are of images alone."""
    for name in IMAGES_ALONE:
        if given.get(name) is not None:
            option = name.strip("_").replace("_", "-")
            raise ImtransError(f"--{option} is for images, not for videos; leave it out")


def names_in(file: str, *, alone: bool = True) -> list[str]:
    """The lines of a file, or of stdin, which only one process can read. Raises ImtransError."""
    import sys

    if file == "-" and not alone:
        raise ImtransError(
            "--list - is read by one process alone; write the names to a file for all ranks"
        )
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise ImtransError(f"{file}: {(error.strerror or str(error)).lower()}") from error
    names = [line for line in _lines(content) if line.strip()]
    if not names:
        raise ImtransError(f"{'stdin' if file == '-' else file}: names no image")
    return names


def _lines(content: bytes) -> list[str]:
    """Those of a text; also of PowerShell's, in UTF-16, or with zeros between (`find -print0`)."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", "replace")
    else:
        # Names are bytes to the system: whatever they are, they lead back to the same files.
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    if "\0" in text:
        return text.split("\0")
    return text.replace("\r\n", "\n").split("\n")
