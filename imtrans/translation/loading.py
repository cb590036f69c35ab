"""A trained translator, from the files of a run."""

from pathlib import Path
from typing import Literal

import torch
from torch import nn

from imtrans.api.errors import ImtransError, quoted
from imtrans.api.samplers import NFE, nfe_of, set_nfe
from imtrans.data.scale import TrainingScale
from imtrans.host.devices import Precision, choose_device, choose_precision
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs import checkpoint
from imtrans.runs.checksums import sum_of
from imtrans.runs.header import Header, read_header
from imtrans.runs.hub.pull import local
from imtrans.runs.listing import best_checkpoint, find_run
from imtrans.runs.sealed import SUM
from imtrans.runs.weights import load_into
from imtrans.task import Task
from imtrans.translation.network.folding import folded
from imtrans.translation.network.lowering import lower
from imtrans.translation.network.modes import Statistics, set_modes
from imtrans.translation.network.noise import Noise, with_seeded_dropout
from imtrans.translation.translator import Translator

# trained: at the scale of training; native: pixel by pixel; or to so many px, as in data.resize.
SizeChoice = Literal["trained", "native"] | int


def load(
    run: str | Path,
    *,
    best: bool = False,
    size: SizeChoice = "trained",
    translator: str = "generator",
    device: str | None = None,
    precision: str = "auto",
    statistics: Statistics = "image",
    dropout_seed: int | None = None,
    nfe: int | None = None,
    max_pixels: int | None = None,
) -> Translator:
    """The translator of a run (its folder, its name in runs/, or its recipe), of a checkpoint
    directory, of a generator.safetensors, or of a hub: hf://OWNER/NAME[@REVISION].

    With `best`, it is the run's best on validation pairs, not its newest. `size` is at which a
    picture is translated, before its result is brought back to the picture's own: `trained`, at the
    scale of training; `native`, pixel by pixel; or a number of px, as data.resize of the recipe
    understands it. `translator` names another one than the first of a method that has several.
    `statistics` is what batch norm normalises with: each image's own (`image`: what the paper does,
    with its batch size of 1, and independent of what else is translated) or the averages gathered
    in training (`running`). Dropout is off unless `dropout_seed` is given; then every image is
    translated with the noise of that seed. `nfe` is how many network evaluations an output takes,
    of a method that samples in several; by default that of its recipe. Images of more than
    `max_pixels` are refused, or of more than the recipe's data.max_pixels.

    Raises ImtransError when there is no such run, a file of it is damaged, or it has no `nfe`.

    >>> import imtrans
    >>> translator = imtrans.load("my-task")
    >>> translator("photo.jpg").save("translated.png")
    >>> [image.size for image in translator(["photo.jpg", "other.jpg"])]
    [(96, 64), (64, 64)]
    """
    header = header_to_load(local(run), best, translator)
    task = Task(_recipe(header, max_pixels), catalog())
    module = _module(task, header, nfe)
    chosen = choose_device(device)
    arithmetic = choose_precision(precision, chosen)
    encoding = task.encoding_of(header.part)
    module, noise = ready(
        module,
        encoding.source_channels,
        statistics=statistics,
        precision=arithmetic,
        dropout=dropout_seed is not None,
    )
    return Translator(
        module,
        encoding,
        device=chosen,
        precision=arithmetic,
        scale=_scale(size, header, task.recipe),
        seed=dropout_seed,
        noise=noise,
        made_from=_weights(header, module)
        | {"size": str(size), "statistics": statistics, "precision": arithmetic}
        | {"dropout seed": str(dropout_seed)},
        file=header.path,
    )


def _recipe(header: Header, max_pixels: int | None) -> Recipe:
    recipe = header.recipe(catalog(), translator_only=True)
    if max_pixels is None:
        return recipe
    data = recipe.data.model_copy(update={"max_pixels": max_pixels})
    return recipe.model_copy(update={"data": data})


def _module(task: Task, header: Header, nfe: int | None) -> nn.Module:
    """The translator with its weights, and with another number of network evaluations."""
    module = task.translator(header.part)
    load_into(module, header.path)
    if nfe is not None:
        set_nfe(module, nfe, header.part)
    return module


def _weights(header: Header, module: nn.Module) -> dict[str, str]:
    """Which weights those are, in words, and how many evaluations of them make an output."""
    made = {"weights": header.facts.get(SUM) or sum_of(header.path), "translator": header.part}
    number = nfe_of(module)
    return made if number is None else made | {NFE: str(number)}


def ready(
    module: nn.Module,
    channels: int,
    *,
    statistics: Statistics = "image",
    precision: Precision = "fp32",
    dropout: bool = False,
) -> tuple[nn.Module, Noise | None]:
    """A network that takes `channels`, with its weights, as it translates fastest; and what its
    dropout draws from, if it has any that is wanted."""
    # As the fast engine trains it, whose previews show what is written here.
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    set_modes(module, statistics)
    if statistics == "running":
        module = folded(module, channels)
    noise = Noise()
    drops = dropout and with_seeded_dropout(module, noise)
    lower(module, precision)
    return module, noise if drops else None


def header_to_load(run: Path, best: bool, translator: str) -> Header:
    """The header of the file to translate with. Raises ImtransError when there is none."""
    is_weights = run.is_file() and run.suffix != ".toml"
    place = run if is_weights else find_run(run) or run
    place = best_checkpoint(place) if best else place
    header = read_header(checkpoint.translator_file(place, translator))
    if not header.translates:
        raise ImtransError(
            f"{header.path}: holds the {header.part}, which does not translate; use "
            f"{quoted(header.translators)}"
        )
    return header


def _scale(size: SizeChoice, header: Header, recipe: Recipe) -> TrainingScale | None:
    if size == "native":
        return None
    if isinstance(size, int) and size >= 1:
        return TrainingScale(size, recipe.data.resize)
    if size != "trained":
        raise ImtransError(f"no size '{size}'; use 'trained', 'native', or a number of px")
    # Before it was noted: what was imported is brought to one size, as the published test does.
    usual = None if header.step else TrainingScale(recipe.data.crop_size, recipe.data.resize)
    return header.scale or usual
