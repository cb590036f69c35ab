from collections.abc import Callable
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import typer

from imtrans.api.errors import ImtransError
from imtrans.cli import sampling_options as sampling
from imtrans.cli import translate_options as options
from imtrans.cli.common import DeviceOption, echo, say
from imtrans.cli.sharing import ShardOption, Sharing
from imtrans.cli.trained import trained
from imtrans.cli.translate_job import translate_job
from imtrans.recipe.naming import run_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imtrans.data.pixels.encode import FileFormat
    from imtrans.translation.folder import Way
    from imtrans.translation.jobs import Job
    from imtrans.translation.tiles.tiled import TiledTranslator
    from imtrans.translation.translator import Translator

Note = Callable[[str], None]
UNKNOWN_SCALE = (
    "note: this checkpoint is older and does not say at which scale it was trained: images are "
    "translated pixel by pixel. --size PX brings them to the size of training, data.crop_size"
)
NO_FACTORS = (
    "note: {scale}; in tiles they are translated pixel by pixel. --size PX brings them to another "
    "size"
)


def translate(
    context: typer.Context,
    inputs: options.InputsArgument = None,
    recipe: options.RunNameOption = None,
    checkpoint: options.CheckpointOption = None,
    best: options.BestOption = False,
    translator: options.TranslatorOption = "generator",
    output: options.OutputOption = None,
    list_: options.ListOption = None,
    overwrite: options.OverwriteOption = False,
    format_: options.FormatOption = None,
    quality: options.QualityOption = None,
    max_pixels: options.MaxPixelsOption = None,
    tile: options.TileOption = None,
    overlap: options.OverlapOption = None,
    size: options.SizeOption = "trained",
    statistics: options.StatisticsOption = options.Statistics.image,
    nfe: sampling.NfeOption = None,
    dropout_seed: sampling.DropoutSeedOption = None,
    samples: sampling.SamplesOption = None,
    device: DeviceOption = None,
    precision: options.PrecisionOption = None,
    batch_size: options.BatchSizeOption = None,
    workers: options.WorkersOption = None,
    compile_: options.CompileOption = None,
    shard: ShardOption = None,
) -> None:
    """Translate every image below a folder: same tree, same names, same sizes. Or one image.

    The network sees each image at the scale of training, and its result is brought back to the
    image's own size. Results of formats that would lose something, like JPEG, are written as .png.
    The same command again continues where it stopped. An image that cannot be read is reported and
    skipped, and the exit code is 1. A video becomes a video, with its sound:
    `pip install "imtrans[video]"`.

    Several processes share a folder: `torchrun --nproc-per-node 4 -m imtrans translate ...`, each
    with a GPU of its own; or the tasks of a job array, `--shard $SLURM_ARRAY_TASK_ID/8`.

    Example: `imtrans translate --recipe maps photos/ --output maps/`
    """
    from imtrans.translation.folder import Way
    from imtrans.translation.loading import load
    from imtrans.translation.sampling import Sampling

    sharing = Sharing(shard)
    input_ = _only(inputs, list_)
    written_as = options.file_format(format_, quality)
    name, source = trained(recipe, checkpoint, best, translator)
    _exit_if_of_another(sharing, input_, output, list_)
    sharing.installed()
    loaded = load(
        source,
        size=options.size_choice(size),
        translator=translator,
        device=sharing.device(device),
        precision=precision or "auto",
        statistics=statistics.value,
        dropout_seed=dropout_seed,
        nfe=nfe,
        max_pixels=max_pixels,
    )
    note = partial(echo, err=True) if sharing.leads else _nothing
    _notes(loaded, size, None if samples else dropout_seed, note)
    _exit_after_video(context, loaded, input_, output, name)
    tiled = _in_tiles(loaded, tile, overlap, size, note)
    seeds = Sampling(nfe, dropout_seed, samples).seeds(loaded)
    compiled = options.compile_from(compile_, loaded)
    way = Way(seeds, quality, overwrite, compiled, batch_size, workers, sharing.share)
    names = options.names_in(list_, alone=sharing.rank.alone) if list_ else None
    planned = _plan(loaded, input_, output, name, names, written_as, way)
    outcome = translate_job(loaded, tiled, *planned, way, sharing)
    raise typer.Exit(1 if outcome and outcome.broken else 0)


def _nothing(_: str) -> None:
    pass


def _exit_if_of_another(
    sharing: Sharing, inputs: Path, output: Path | None, list_: str | None
) -> None:
    """A video, or the file of one image, is not divided: the first share has it."""
    from imtrans.translation.video.place import is_video

    if sharing.share.number == 1 or list_ is not None:
        return
    if is_video(inputs) or _is_for_a_file(inputs, output):
        say(
            sharing.console(),
            f"{inputs}: one file, which share 1/{sharing.share.named.of} translates",
        )
        raise typer.Exit(0)


def _notes(translator: "Translator", size: str, dropout_seed: int | None, note: Note) -> None:
    """Notes on how what was loaded differs from what the options suggest."""
    if translator.scale is None and size == "trained":
        note(UNKNOWN_SCALE)
    if dropout_seed is not None and not translator.samples:
        note("note: this network has no dropout; --dropout-seed changes nothing")


def _exit_after_video(
    context: typer.Context, translator: "Translator", path: Path, output: Path | None, name: str
) -> None:
    """Translate a video, if it is one, and exit; options for images are refused with it."""
    from imtrans.cli.translate_video import translate_video
    from imtrans.translation.video.place import is_video

    if is_video(path):
        options.refuse_for_video(context.params)
        raise typer.Exit(translate_video(translator, path, output, name))


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
    names: "Sequence[str] | None",
    written_as: "FileFormat",
    way: "Way",
) -> tuple[list["Job"], Path | None]:
    """What is to be done, and the folder of the results; none for the file of one."""
    from imtrans.translation.jobs import plan, plan_file

    encoding, seeds = translator.encoding, way.seeds
    if names is None and _is_for_a_file(inputs, output):
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
    jobs = plan(inputs, folder, encoding, names=names, file_format=written_as, seeds=seeds)
    return jobs, folder


def _in_tiles(
    translator: "Translator", tile: int | None, overlap: int | None, size: str, note: Note
) -> "TiledTranslator | None":
    """The translator in tiles, if they are asked for."""
    from imtrans.translation.tiles.tiled import TiledTranslator

    if tile is None:
        if overlap is not None:
            raise ImtransError("--overlap is that of tiles; say how large they are with --tile")
        return None
    if size == "trained" and translator.scale and not translator.scale.factors:
        note(NO_FACTORS.format(scale=translator.scale))
        translator.scale = None
    tiled = TiledTranslator(translator, tile, overlap)
    if tiled.tiles.tile != tile:
        note(
            f"note: the network takes multiples of {tiled.tiles.stride} px; tiles are of "
            f"{tiled.tiles.tile} px"
        )
    return tiled


def _is_for_a_file(inputs: Path, output: Path | None) -> bool:
    from imtrans.api.pictures import SUFFIXES

    named = output is not None and output.suffix.lower() in SUFFIXES and not output.is_dir()
    if named and inputs.is_dir():
        raise ImtransError(
            f"{output}: the name of an image, and {inputs} is a folder. name a folder with --output"
        )
    return inputs.is_file() and (output is None or named)


def _beside(inputs: Path, name: str) -> Path:
    """INPUT-NAME beside the input."""
    whole = inputs.resolve()
    beside = inputs.parent if inputs.name else whole.parent
    return beside / f"{whole.name}-{name}"
