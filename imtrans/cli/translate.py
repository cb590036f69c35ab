from functools import partial
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from imtrans.api.errors import ImtransError, quoted
from imtrans.cli import translate_options as options
from imtrans.cli.common import (
    CheckpointHelp,
    DeviceOption,
    a_path,
    console,
    echo,
    installed,
    not_empty,
    progress,
    say,
)
from imtrans.recipe.naming import run_name, usual_run

if TYPE_CHECKING:
    from imtrans.data.pixels.encode import FileFormat
    from imtrans.translation.folder import TranslatedFolder, Way
    from imtrans.translation.jobs import Job
    from imtrans.translation.translator import Translator

UNKNOWN_SCALE = (
    "note: this checkpoint is older and does not say at which scale it was trained: images are "
    "translated pixel by pixel. --size PX brings them to the size of training, data.crop_size"
)


def translate(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            parser=a_path, metavar="INPUT", help="A folder of images, an image or a video."
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The recipe, or the run in runs/, that was trained."),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(parser=not_empty, metavar="PATH", help=CheckpointHelp)
    ] = None,
    best: options.BestOption = False,
    translator: options.TranslatorOption = "generator",
    output: options.OutputOption = None,
    list_: options.ListOption = None,
    overwrite: options.OverwriteOption = False,
    format_: options.FormatOption = None,
    quality: options.QualityOption = None,
    max_pixels: options.MaxPixelsOption = None,
    size: options.SizeOption = "trained",
    statistics: options.StatisticsOption = options.Statistics.image,
    dropout_seed: options.DropoutSeedOption = None,
    samples: options.SamplesOption = None,
    device: DeviceOption = None,
    precision: options.PrecisionOption = None,
    batch_size: options.BatchSizeOption = None,
    workers: options.WorkersOption = None,
) -> None:
    """Translate every image below a folder: same tree, same names, same sizes. Or one image.

    The network sees each image at the scale of training, and its result is brought back to the
    image's own size. Results of formats that would lose something, like JPEG, are written as .png.
    The same command again continues where it stopped. An image that cannot be read is reported and
    skipped, and the exit code is 1. A video becomes a video, with its sound:
    `pip install "imtrans[video]"`.

    Example: `imtrans translate --recipe maps photos/ --output maps/`
    """
    from imtrans.cli.translate_video import translate_video
    from imtrans.translation.folder import Way
    from imtrans.translation.loading import load
    from imtrans.translation.video.place import is_video

    input_ = _only(inputs, list_)
    written_as = options.file_format(format_, quality)
    name, source = _model(recipe, checkpoint, best)
    name = name if translator == "generator" else f"{name}-{translator}"
    installed()
    loaded = load(
        source,
        size=options.size_choice(size),
        translator=translator,
        device=device,
        precision=precision or "auto",
        statistics=statistics.value,
        dropout_seed=dropout_seed,
        max_pixels=max_pixels,
    )
    if loaded.scale is None and size == "trained":
        echo(UNKNOWN_SCALE, err=True)
    if is_video(input_):
        options.refuse_for_video(list_=list_, format_=format_, samples=samples)
        raise typer.Exit(translate_video(loaded, input_, output, name))
    seeds = options.seeds_of(loaded, dropout_seed, samples)
    if dropout_seed is not None and not loaded.samples:
        echo("note: this network has no dropout; --dropout-seed changes nothing", err=True)
    way = Way(seeds, quality, overwrite, batch_size, workers)
    jobs, folder = _plan(loaded, input_, output, name, list_, written_as, way)
    outcome = _translate(loaded, jobs, folder, way)
    raise typer.Exit(1 if outcome.broken else 0)


def _only(inputs: list[Path] | None, list_: str | None) -> Path:
    if not inputs:
        if list_:
            return Path()
        raise ImtransError("which images? name a folder of them, or one, or a --list")
    first, *others = inputs
    if list_ and not others and not first.is_dir() and first.exists():
        raise ImtransError(
            f"{first}: a file; with --list, INPUT is the folder of all that it names"
        )
    if not others:
        return first
    if len(others) == 1 and (first.suffix == ".toml" or not first.exists()):
        recipe, folder = quote(run_name(str(first))), quote(str(others[0]))
        raise ImtransError(f"two inputs; is {recipe} a recipe? use --recipe {recipe} {folder}")
    raise ImtransError(f"{len(inputs)} inputs; translate their folder, or one image at a time")


def _plan(
    translator: "Translator",
    inputs: Path,
    output: Path | None,
    name: str,
    list_: str | None,
    written_as: "FileFormat",
    way: "Way",
) -> tuple[list["Job"], Path | None]:
    """What is to be done, and the folder of the results; none for the file of one."""
    from imtrans.translation.jobs import plan, plan_file

    encoding, seeds = translator.encoding, way.seeds
    if list_ is None and _is_for_a_file(inputs, output):
        job = plan_file(
            inputs,
            output,
            name,
            encoding,
            file_format=written_as,
            seeds=seeds,
            overwrite=way.overwrite,
        )
        return [job], None
    folder = output or _beside(inputs, name)
    names = options.names_in(list_) if list_ else None
    jobs = plan(inputs, folder, encoding, names=names, file_format=written_as, seeds=seeds)
    return jobs, folder


def _translate(
    translator: "Translator", jobs: list["Job"], folder: Path | None, way: "Way"
) -> "TranslatedFolder":
    """Translate, with a progress bar, and say what became of the images."""
    from imtrans.translation.folder import translate_files

    out, start = console(), monotonic()
    try:
        with progress(out, "translating", len(jobs)) as advance:
            outcome = translate_files(translator, jobs, folder, advance, way)
    except KeyboardInterrupt:
        echo("interrupted" + ("; the same command continues" if folder else ""), err=True)
        raise typer.Exit(130) from None
    for broken in outcome.broken:
        echo(f"skipped: {broken}", err=True)
    for kind, (first, *others) in outcome.remarks.items():
        more = f"; likewise {len(others)} more" if others else ""
        remedy = ". --size chooses another" if kind == "size" else ""
        echo(f"note: {first}{more}{remedy}", err=True)
    for line in _summary(outcome, jobs, folder, monotonic() - start):
        say(out, line)
    return outcome


def _is_for_a_file(inputs: Path, output: Path | None) -> bool:
    from imtrans.api.pictures import SUFFIXES

    named = output is not None and output.suffix.lower() in SUFFIXES and not output.is_dir()
    if named and inputs.is_dir():
        raise ImtransError(
            f"{output}: the name of an image, and {inputs} is a folder. name a folder with --output"
        )
    return inputs.is_file() and (output is None or named)


def _summary(
    outcome: "TranslatedFolder", jobs: list["Job"], folder: Path | None, seconds: float
) -> list[str]:
    if not folder:
        results = jobs[0].results
        if outcome.done:
            return [str(result) for result in results]
        return [f"nothing written to {results[0]}"]
    parts = [f"{_images(outcome.done)} in {folder}"]
    if len(jobs[0].results) > 1:
        parts.append(f"{len(jobs[0].results)} samples of each")
    if outcome.kept:
        parts.append(f"{outcome.kept} there already")
    if outcome.broken:
        parts.append(f"{len(outcome.broken)} skipped")
    rate = f" ({outcome.done / max(seconds, 1e-9):.1f} images/s)" if outcome.done else ""
    return [", ".join(parts) + rate]


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count} images"


def _beside(inputs: Path, name: str) -> Path:
    """INPUT-NAME beside the input."""
    whole = inputs.resolve()
    beside = inputs.parent if inputs.name else whole.parent
    return beside / f"{whole.name}-{name}"


def _model(recipe: str | None, checkpoint: str | None, best: bool) -> tuple[str, Path]:
    """What the results are named after, and the run, checkpoint or file to translate with."""
    from imtrans.runs.hub.pull import local, name_of
    from imtrans.runs.listing import best_checkpoint, find_run

    if checkpoint:
        name = run_name(recipe) if recipe else name_of(checkpoint)
        place = local(checkpoint, partial(echo, err=True))
        return name, best_checkpoint(place) if best else place
    if not recipe:
        raise ImtransError("which model? name the --recipe that you trained, or a --checkpoint")
    run = find_run(recipe)
    if run is None:
        raise ImtransError(_no_run(usual_run(recipe), recipe))
    return run.resolve().name, best_checkpoint(run) if best else run


def _no_run(run: Path, recipe: str) -> str:
    runs = sorted(path.name for path in run.parent.glob("*") if path.is_dir())
    there = f"there are {quoted(runs[:10])}" if runs else f"nothing is in {run.parent}/ yet"
    return (
        f"{run}: no such run; {there}. name one of them, train it with "
        f"`imtrans train {quote(recipe)}`, or name a --checkpoint"
    )
