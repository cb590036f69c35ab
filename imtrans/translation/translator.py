"""One image through a trained translator."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from imtrans.api.errors import ImtransError, quoted
from imtrans.api.pictures import Picture
from imtrans.data.encoding import Encoding
from imtrans.data.pixels.images import to_image, to_picture
from imtrans.host.devices import Precision, autocast, choose_device, choose_precision
from imtrans.recipe.catalog import catalog
from imtrans.runs import checkpoint
from imtrans.runs.header import read_header
from imtrans.runs.weights import load_into
from imtrans.task import Task
from imtrans.translation.memory import most_pixels
from imtrans.translation.modes import Statistics, set_modes
from imtrans.translation.noise import Noise, seeded_torch, with_seeded_dropout
from imtrans.translation.padding import pad_to_multiple


class Translator:
    """Takes and returns images of any size; several threads may use one.

    The module is called as it is: `load` puts it into the modes in which it translates, a training
    does so for as long as it needs. With `seed`, every image is translated with the noise of that
    seed, in dropout and in modules that draw random numbers (which use seed 0 otherwise).
    """

    def __init__(
        self,
        module: nn.Module,
        encoding: Encoding,
        *,
        device: torch.device,
        precision: Precision = "fp32",
        seed: int | None = None,
        noise: Noise | None = None,
    ) -> None:
        self.module = module.to(device)
        self.encoding = encoding
        self.device, self.precision = device, precision
        self.seed, self._noise = seed, noise

    def __call__(self, image: Image.Image) -> Image.Image:
        """The translation of an image. Raises ImtransError when it is not what the recipe takes, or
        when Pillow has no image for the result (more than four channels, 16-bit colour)."""
        return to_image(self.translate(to_picture(image)))

    def translate(self, picture: Picture) -> Tensor:
        """The translation of a picture, (C, H, W), in the dtype of the recipe's target.

        Raises ImtransError when the picture cannot be read, or is not what the recipe takes.
        """
        return self.result(self.given(picture))

    def given(self, picture: Picture) -> Tensor:
        """The source (1, C, H, W) in [-1, 1] of a picture. Raises ImtransError as `translate`, also
        where memory has no room for what the module makes of so many pixels."""
        try:
            return self.encoding.given(picture, self._most_pixels)
        except MemoryError as error:
            raise ImtransError(f"{picture}: not enough memory to read it") from error

    def _most_pixels(self) -> int | None:
        return most_pixels(self.module, self.encoding.source_channels, self.device)

    def result(self, source: Tensor) -> Tensor:
        """What a source (1, C, H, W) in [-1, 1] becomes, as it is written: (C, H, W)."""
        source = source.to(self.device)
        return self.encoding.result(self.output(source), source)

    def output(self, source: Tensor) -> Tensor:
        """What the module makes of a source (1, C, H, W) in [-1, 1] of any size, on the device."""
        padded, (rows, columns) = pad_to_multiple(source, int(self.module.stride))  # type: ignore[arg-type]
        with torch.inference_mode(), autocast(self.device, self.precision), self._seeded():
            output: Tensor = self.module(padded).float()
        return output[..., rows, columns]

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        with ExitStack() as stack:
            if self._noise is not None and self.seed is not None:
                stack.enter_context(self._noise.seeded(self.seed, self.device))
            if getattr(self.module, "draws", False):
                stack.enter_context(seeded_torch(self.seed or 0, self.device))
            yield


def load(
    path: str | Path,
    *,
    translator: str = "generator",
    device: str | None = None,
    precision: str = "auto",
    statistics: Statistics = "image",
    dropout_seed: int | None = None,
    max_pixels: int | None = None,
) -> Translator:
    """The translator of a run, a checkpoint directory or a generator.safetensors.

    `imtrans.load("runs/maps")(image)` takes a PIL image and returns one. `translator` names another
    one than the first of a method that has several. `statistics` is what batch norm normalises
    with: each image's own (`image`: what the paper does, with its batch size of 1, and independent
    of what else is translated) or the averages gathered in training (`running`). Dropout is off
    unless `dropout_seed` is given; then every image is translated with the noise of that seed.
    Images of more than `max_pixels` are refused, or of more than the recipe's data.max_pixels.
    """
    file = checkpoint.translator_file(Path(path), translator)
    header = read_header(file)
    if not header.translates:
        raise ImtransError(
            f"{file}: holds the {header.part}, which does not translate; use "
            f"{quoted(header.translators)}"
        )
    recipe = header.recipe(catalog(), translator_only=True)
    if max_pixels is not None:
        data = recipe.data.model_copy(update={"max_pixels": max_pixels})
        recipe = recipe.model_copy(update={"data": data})
    task = Task(recipe, catalog())
    module = task.translator(header.part)
    load_into(module, file)
    # As the fast engine trains it, whose previews show what is written here.
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    noise = Noise() if dropout_seed is not None else None
    if noise:
        with_seeded_dropout(module, noise)
    set_modes(module, statistics)
    chosen = choose_device(device)
    return Translator(
        module,
        task.encoding_of(header.part),
        device=chosen,
        precision=choose_precision(precision, chosen),
        seed=dropout_seed,
        noise=noise,
    )
