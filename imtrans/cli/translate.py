from enum import StrEnum
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import TYPE_CHECKING, Annotated, cast

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli.common import (
    CheckpointHelp,
    DeviceOption,
    a_path,
    console,
    echo,
    installed,
    progress,
    say,
)
from imtrans.cli.trained import trained
from imtrans.recipe.naming import run_name

if TYPE_CHECKING:
    from imtrans.translation.folder import TranslatedFolder
    from imtrans.translation.loading import SizeChoice
    from imtrans.translation.translator import Translator

UNKNOWN_SCALE = (
    "note: this checkpoint is older and does not say at which scale it was trained: images are "
    "translated pixel by pixel. --size PX brings them to the size of training, data.crop_size"
)


class Precision(StrEnum):
    fp32 = "fp32"
    bf16 = "bf16"


class Statistics(StrEnum):
    image = "image"
    running = "running"


SizeOption = Annotated[
    str,
    typer.Option(
        metavar="trained|native|PX",
        help="At which size the network sees an image: that of training, its own, or PX. The "
        "result has the image's own size.",
    ),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, help="Read images up to this size; by default the recipe's limit."
    ),
]
DropoutSeedOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, max=2**63 - 1, help="Keep dropout on, with the noise of this seed."
    ),
]


BestOption = Annotated[
    bool, typer.Option("--best", help="The run's best on validation pairs, not its newest.")
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        parser=a_path,
        metavar="PATH",
        help="The folder of the results, or the file of one; INPUT-NAME by default.",
    ),
]


def translate(
    inputs: Annotated[
        list[Path],
        typer.Argument(parser=a_path, metavar="INPUT", help="A folder of images, or one."),
    ],
    recipe: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The recipe, or the run in runs/, that was trained."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(parser=a_path, metavar="PATH", help=CheckpointHelp)
    ] = None,
    best: BestOption = False,
    size: SizeOption = "trained",
    translator: Annotated[
        str,
        typer.Option(metavar="NAME", help="One of several, as generator_back; `inspect` has them."),
    ] = "generator",
    output: OutputOption = None,
    device: DeviceOption = None,
    precision: Annotated[
        Precision | None, typer.Option(help="bf16 where the device is good at it, by default.")
    ] = None,
    statistics: Annotated[
        Statistics,
        typer.Option(help="What batch norm uses: each image's own values, or the training's."),
    ] = Statistics.image,
    dropout_seed: DropoutSeedOption = None,
    max_pixels: MaxPixelsOption = None,
) -> None:
    """Translate every image below a folder: same tree, same names, same sizes. Or one image.

    The network sees each image at the scale of training, and its result is brought back to the
    image's own size. Results of formats that would lose something, like JPEG, are written as .png.
    An image that cannot be read is reported and skipped, and the exit code is 1.

    Example: `imtrans translate --recipe maps photos/ --output maps/`
    """
    from imtrans.translation.loading import load

    input_ = _only(inputs)
    name, source = trained(recipe, checkpoint, best)
    name = name if translator == "generator" else f"{name}-{translator}"
    installed()
    loaded = load(
        source,
        size=_size(size),
        translator=translator,
        device=device,
        precision=precision or "auto",
        statistics=statistics.value,
        dropout_seed=dropout_seed,
        max_pixels=max_pixels,
    )
    if loaded.scale is None and size == "trained":
        echo(UNKNOWN_SCALE, err=True)
    outcome = _translate(loaded, input_, output, name)
    raise typer.Exit(1 if outcome.broken else 0)


def _only(inputs: list[Path]) -> Path:
    first, *others = inputs
    if not others:
        return first
    if len(others) == 1 and (first.suffix == ".toml" or not first.exists()):
        recipe, folder = quote(run_name(str(first))), quote(str(others[0]))
        raise ImtransError(f"two inputs; is {recipe} a recipe? use --recipe {recipe} {folder}")
    raise ImtransError(f"{len(inputs)} inputs; translate their folder, or one image at a time")


def _size(text: str) -> "SizeChoice":
    if text in ("trained", "native"):
        return cast("SizeChoice", text)
    if text.isascii() and text.isdecimal() and 0 < int(text) < 2**31:
        return int(text)
    raise typer.BadParameter(
        f"'{text}' is not trained, native, or a number of px", param_hint="--size"
    )


def _translate(
    translator: "Translator", inputs: Path, output: Path | None, name: str
) -> "TranslatedFolder":
    """Translate, with a progress bar, and say what became of the images."""
    from imtrans.translation.folder import plan, plan_file, translate_files

    out, start = console(), monotonic()
    if _is_for_a_file(inputs, output):
        jobs, folder = [plan_file(inputs, output, name, translator.encoding)], None
        target = jobs[0][1]
    else:
        target = folder = output or _beside(inputs, name)
        jobs = plan(inputs, folder, translator.encoding)
    with progress(out, "translating", len(jobs)) as advance:
        outcome = translate_files(translator, jobs, folder, advance)
    for broken in outcome.broken:
        echo(f"skipped: {broken}", err=True)
    for kind, (first, *others) in outcome.remarks.items():
        more = f"; likewise {len(others)} more" if others else ""
        remedy = ". --size chooses another" if kind == "size" else ""
        echo(f"note: {first}{more}{remedy}", err=True)
    say(out, _summary(outcome, target, folder, monotonic() - start))
    return outcome


def _is_for_a_file(inputs: Path, output: Path | None) -> bool:
    from imtrans.api.pictures import SUFFIXES

    named = output is not None and output.suffix.lower() in SUFFIXES and not output.is_dir()
    if named and inputs.is_dir():
        raise ImtransError(
            f"{output}: the name of an image, and {inputs} is a folder. name a folder with --output"
        )
    return inputs.is_file() and (output is None or named)


def _summary(outcome: "TranslatedFolder", target: Path, folder: Path | None, seconds: float) -> str:
    if not folder:
        return str(target) if outcome.done else f"nothing written to {target}"
    images = "1 image" if outcome.done == 1 else f"{outcome.done} images"
    skipped = f", {len(outcome.broken)} skipped" if outcome.broken else ""
    return f"{images} in {target}{skipped} ({outcome.done / max(seconds, 1e-9):.1f} images/s)"


def _beside(inputs: Path, name: str) -> Path:
    """INPUT-NAME beside the input."""
    whole = inputs.resolve()
    beside = inputs.parent if inputs.name else whole.parent
    return beside / f"{whole.name}-{name}"
