"""One image through a trained generator."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.encoding import Encoding
from imtrans.data.pixels.images import to_image, to_picture
from imtrans.host.devices import Precision, autocast, choose_device, choose_precision
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs import checkpoint
from imtrans.task import build_encoding, build_generator
from imtrans.translation.padding import pad_to_multiple

Statistics = Literal["image", "running"]


class Translator:
    """A generator that takes and returns images of any size.

    `statistics` is what batch norm normalises with: each image's own (`image`: what the paper does,
    with its batch size of 1, and independent of what else is translated) or the averages gathered
    in training (`running`). Dropout is off unless `dropout_seed` is given; then every image is
    translated with the noise of that seed.
    """

    def __init__(
        self,
        generator: nn.Module,
        encoding: Encoding,
        *,
        device: torch.device,
        precision: Precision = "fp32",
        statistics: Statistics = "image",
        dropout_seed: int | None = None,
    ) -> None:
        self.generator = generator.to(device)
        self.encoding = encoding
        self.device = device
        self.precision = precision
        self.statistics: Statistics = statistics
        self.dropout_seed = dropout_seed

    def __call__(self, image: Image.Image) -> Image.Image:
        """The translation of an image. Raises ImtransError when it is not what the recipe takes, or
        when Pillow has no image for the result (more than four channels, 16-bit colour)."""
        return to_image(self.translate(to_picture(image)))

    def translate(self, picture: Picture) -> Tensor:
        """The translation of a picture, (C, H, W), in the dtype of the recipe's target.

        Raises ImtransError when the picture cannot be read, or is not what the recipe takes.
        """
        return self.result(self.encoding.given(picture))

    def result(self, source: Tensor) -> Tensor:
        """What a source (1, C, H, W) in [-1, 1] becomes, as it is written: (C, H, W)."""
        source = source.to(self.device)
        return self.encoding.result(self.fake(source), source)

    def fake(self, source: Tensor) -> Tensor:
        """G(source) for a source (1, C, H, W) in [-1, 1] of any size, on the device."""
        stride = int(self.generator.stride)  # type: ignore[arg-type]
        padded, (rows, columns) = pad_to_multiple(source, stride)
        with (
            torch.inference_mode(),
            translating(self.generator, self.statistics, dropout=self.dropout_seed is not None),
            autocast(self.device, self.precision),
            self._seeded(),
        ):
            fake: Tensor = self.generator(padded).float()
        return fake[..., rows, columns]

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        if self.dropout_seed is None:
            yield
            return
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(self.dropout_seed)
            yield


@contextmanager
def translating(network: nn.Module, statistics: Statistics, *, dropout: bool) -> Iterator[None]:
    """Put a network into the state in which it translates, and leave no trace of it."""
    before = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        for module in network.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.training = dropout
            if isinstance(module, nn.modules.batchnorm._BatchNorm) and statistics == "image":
                # In training mode, but without tracking: a translation must not move the averages.
                module.training = True
                module.track_running_stats = False
        yield
    finally:
        for module, training in before:
            module.training = training
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.track_running_stats = module.running_mean is not None


def load(
    path: str | Path,
    *,
    device: str | None = None,
    precision: str = "auto",
    statistics: Statistics = "image",
    dropout_seed: int | None = None,
) -> Translator:
    """The translator of a run, a checkpoint directory or a generator.safetensors.

    `imtrans.load("runs/maps")(image)` takes a PIL image and returns one.
    """
    file = checkpoint.generator_file(Path(path))
    header = checkpoint.read_header(file)
    if header.part != "generator":
        raise ImtransError(f"{file}: holds the {header.part}; translating needs the generator")
    recipe = header.recipe(catalog(), roles=["generator", "derivation"])
    chosen = choose_device(device)
    return Translator(
        _generator(recipe, file),
        build_encoding(recipe, catalog()),
        device=chosen,
        precision=choose_precision(precision, chosen),
        statistics=statistics,
        dropout_seed=dropout_seed,
    )


def _generator(recipe: Recipe, file: Path) -> nn.Module:
    generator = build_generator(recipe, catalog())
    checkpoint.load_into(generator, file)
    # As the fast engine trains it, whose previews show what is written here.
    generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return generator
