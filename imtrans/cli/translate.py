from enum import StrEnum
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import TYPE_CHECKING, Annotated

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
    run_name,
    say,
)

if TYPE_CHECKING:
    from imtrans.translation.folder import TranslatedFolder
    from imtrans.translation.translator import Translator


class Precision(StrEnum):
    fp32 = "fp32"
    bf16 = "bf16"


class Statistics(StrEnum):
    image = "image"
    running = "running"


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


def translate(
    input_: Annotated[
        Path,
        typer.Argument(
            parser=a_path, metavar="INPUT", help="A folder of images of any size, or one image."
        ),
    ],
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME", help="The recipe whose run in runs/ is used.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(parser=a_path, metavar="PATH", help=CheckpointHelp)
    ] = None,
    best: Annotated[
        bool,
        typer.Option("--best", help="The run's best on validation pairs, not its newest."),
    ] = False,
    translator: Annotated[
        str,
        typer.Option(metavar="NAME", help="One of several, as generator_back; `inspect` has them."),
    ] = "generator",
    output: Annotated[
        Path | None,
        typer.Option(parser=a_path, metavar="DIR", help="Where results go; INPUT-NAME by default."),
    ] = None,
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
    """Translate every image below a folder; same tree, same names, same sizes.

    Results of formats that would lose something, like JPEG, are written as .png. An image that
    cannot be read is reported and skipped, and the exit code is 1.

    Example: `imtrans translate --recipe maps photos/ --output maps/`
    """
    from imtrans.translation.translator import load

    name, source = _model(recipe, checkpoint, best)
    name = name if translator == "generator" else f"{name}-{translator}"
    target = output or _beside(input_, name)
    installed()
    loaded = load(
        source,
        translator=translator,
        device=device,
        precision=precision or "auto",
        statistics=statistics.value,
        dropout_seed=dropout_seed,
        max_pixels=max_pixels,
    )
    raise typer.Exit(1 if _translate(loaded, input_, target).broken else 0)


def _translate(translator: "Translator", inputs: Path, target: Path) -> "TranslatedFolder":
    """Translate, with a progress bar, and say what became of the images."""
    from imtrans.translation.folder import plan, translate_files

    jobs, out, start = plan(inputs, target, translator.encoding), console(), monotonic()
    with progress(out, "translating", len(jobs)) as advance:
        outcome = translate_files(translator, jobs, target, advance)
    for broken in outcome.broken:
        echo(f"skipped: {broken}", err=True)
    say(out, _summary(outcome, target, monotonic() - start))
    return outcome


def _summary(outcome: "TranslatedFolder", target: Path, seconds: float) -> str:
    images = "1 image" if outcome.done == 1 else f"{outcome.done} images"
    skipped = f", {len(outcome.broken)} skipped" if outcome.broken else ""
    return f"{images} in {target}{skipped} ({outcome.done / max(seconds, 1e-9):.1f} images/s)"


def _beside(inputs: Path, name: str) -> Path:
    """INPUT-NAME beside the input; of a single file without its suffix."""
    whole = inputs.resolve()
    beside = inputs.parent if inputs.name else whole.parent
    return beside / f"{whole.name if inputs.is_dir() else whole.stem}-{name}"


def _model(recipe: str | None, checkpoint: Path | None, best: bool) -> tuple[str, Path]:
    """What the results are named after, and the run, checkpoint or file to translate with."""
    from imtrans.runs.listing import best_checkpoint

    if checkpoint:
        whole = checkpoint.resolve()
        named_after = whole.parent if whole.is_file() else whole
        name = run_name(recipe) if recipe else named_after.name
        return name, best_checkpoint(checkpoint) if best else checkpoint
    if not recipe:
        raise ImtransError("which model? name the --recipe that you trained, or a --checkpoint")
    run = Path("runs") / run_name(recipe)
    if not run.exists():
        raise ImtransError(
            f"{run}: no such run. train it with `imtrans train {quote(recipe)}`, or name a "
            "--checkpoint"
        )
    return run.name, best_checkpoint(run) if best else run
