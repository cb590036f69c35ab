"""Images through a trained translator, each by itself."""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from copy import copy, deepcopy
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError, is_out_of_memory
from imtrans.api.pictures import Picture
from imtrans.data.encoding import Encoding, Given
from imtrans.data.pixels.formats.stored import LARGE
from imtrans.data.scale import TrainingScale
from imtrans.host.devices import Precision, autocast
from imtrans.translation.forms import in_form_of, picture_of, several
from imtrans.translation.network.compiled import Compiled
from imtrans.translation.network.memory import most_pixels
from imtrans.translation.network.modes import EachByItself, has_norms_of_its_own
from imtrans.translation.network.noise import Noise, seeded_torch, with_seeded_dropout
from imtrans.translation.padding import pad_to_multiple, padded_size
from imtrans.translation.stream import in_order

BEYOND = 0.01  # share of values outside the range, from which on a picture is unlike training's


class Remark(NamedTuple):
    """How a picture is unlike all that training saw."""

    kind: Literal["values", "size"]
    text: str


class Translator:
    """Takes and returns images of any size; several threads may use one.

    With a `scale`, a picture is resized to it, translated, and its result resized to the picture's
    own size; without, it is translated pixel by pixel. The module is called as it is: `load` puts
    it into the modes in which it translates, a training does so for as long as it needs. With
    `seed`, every image is translated with the noise of that seed, in dropout and in modules that
    draw random numbers (which use seed 0 otherwise). `made_from` says what results depend on, in
    words: which weights, at which size, in which precision.
    """

    def __init__(
        self,
        module: nn.Module,
        encoding: Encoding,
        *,
        device: torch.device,
        precision: Precision = "fp32",
        scale: TrainingScale | None = None,
        seed: int | None = None,
        noise: Noise | None = None,
        made_from: Mapping[str, str] | None = None,
        file: Path | None = None,
    ) -> None:
        self.made_from = dict(made_from or {})
        self.module = module.to(device)
        self.encoding, self.scale = encoding, scale
        self.device, self.precision = device, precision
        self.seed, self._noise = seed, noise
        self.compiled: Compiled | None = None
        self.file = file  # of the weights, where `load` has read them

    def __call__(self, image: Any) -> Any:
        """The translation of an image: of a PIL image or a path a PIL image, of an array (H, W, C)
        an array, of a tensor (C, H, W) a tensor; stored pixels, as files have them. Of a list, or
        of an array or a tensor with a first axis more, a list of these; of any other iterable an
        iterator over them, which is read some dozens ahead.

        Raises ImtransError when it is not what the recipe takes, or when Pillow has no image for
        the result (more than four channels, 16-bit colour: use arrays there).
        """
        if not several(image):
            return in_form_of(image, self.translate(picture_of(image)))
        results = in_order(self, image)
        return results if isinstance(image, Iterator) else list(results)

    def translate(self, picture: Picture) -> Tensor:
        """The translation of a picture, (C, H, W), in the dtype of the recipe's target.

        Raises ImtransError when the picture cannot be read, or is not what the recipe takes. Warns
        when it is far larger or smaller than all that training saw.
        """
        given = self.given(picture)
        for remark in self.remarks(given):
            warnings.warn(f"{picture}: {remark.text}", UserWarning, stacklevel=3)
        return self.result(given)

    def remarks(self, given: Given) -> Iterator[Remark]:
        """Values beyond the range of training, or a far larger or smaller size."""
        if given.beyond > BEYOND:
            yield Remark(
                "values",
                f"{given.beyond:.0%} of its values are beyond the range of training, "
                f"{self.encoding.range_text}; its result may mean nothing",
            )
        height, width = given.size
        if not self.scale or not self.scale.is_far(width, height):
            return
        seen_height, seen_width = given.source.shape[-2:]
        yield Remark(
            "size",
            f"{width} x {height} px is far from what training saw, {self.scale.seen}; it is "
            f"translated as {seen_width} x {seen_height} px",
        )

    def given(self, picture: Picture) -> Given:
        """A picture as the module is to see it, at the translator's scale. Raises ImtransError as
        `translate`, also where memory has no room for what the module makes of so many pixels."""
        try:
            return self.encoding.given(picture, self._most_pixels, self.scale)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise ImtransError(f"{picture}: not enough memory to read it") from error

    def _most_pixels(self, width: int, height: int) -> int | None:
        sides = self.scale.of(width, height) if self.scale else (width, height)
        padded = (padded_size(side, self.stride) for side in sides)  # far more of a thin picture
        taken = math.prod(padded)
        if max(taken, width * height) <= LARGE:
            return None
        share = taken / (width * height)
        return most_pixels(self.module, self.encoding.source_channels, self.device, share)

    def result(self, given: Given, seed: int | None = None) -> Tensor:
        """What a picture becomes, as it is written: (C, H, W), of its own size."""
        return self.finished(self.output(given.source.to(self.device), seed), given)

    def finished(self, output: Tensor, given: Given) -> Tensor:
        """What an output (1, C, h, w) for a picture becomes, as it is written: (C, H, W)."""
        output = self.encoding.resized(output, *given.size)
        return self.encoding.result(output, given.composed_with.to(self.device))

    def output_at(self, source: Tensor, height: int, width: int) -> Tensor:
        """The outputs for sources (N, C, h, w), resized to a height and width."""
        return self.encoding.resized(self.output(source), height, width)

    def output(self, source: Tensor, seed: int | None = None) -> Tensor:
        """What the module makes of sources (N, C, H, W) in [-1, 1] of any size, on the device: of
        each what it would make of it alone, if the module itself does not mix images. See
        `imtrans.translation.together` for modules that may. `seed`: of this call, instead of the
        translator's."""
        padded, (rows, columns) = pad_to_multiple(source, self.stride)
        return self.padded_output(padded, seed)[..., rows, columns]

    def padded_output(self, padded: Tensor, seed: int | None = None) -> Tensor:
        """The same for sources whose sides are multiples of the stride."""
        if len(padded) > 1 and self.one_by_one:
            return torch.cat([self.padded_output(one, seed) for one in padded.split(1)])
        with EachByItself() if len(padded) > 1 else nullcontext():
            return self.computed(padded, seed)

    def compile(self) -> None:
        """Have full batches compiled, which pays off where thousands of images are to come."""
        if not self.one_by_one and self._noise is None:
            self.compiled = Compiled(self.module, self.device)

    def compiled_output(self, padded: Tensor) -> Tensor | None:
        """The outputs for no more sources than `compiled.images`, if these are compiled."""
        if self.compiled is None or not self.compiled.takes(padded):
            return None
        with torch.inference_mode(), autocast(self.device, self.precision):
            return self.compiled(padded)

    def computed(self, padded: Tensor, seed: int | None = None) -> Tensor:
        """What the module makes of them as one batch, which its norms may see as a whole."""
        seed = self.seed if seed is None else seed
        with torch.inference_mode(), autocast(self.device, self.precision), self._seeded(seed):
            output: Tensor = self.module(padded).float()
        return output

    def with_seed(self, seed: int | None) -> "Translator":
        """The same translator with another seed; None: with its own."""
        other = copy(self)
        other.seed = self.seed if seed is None else seed
        return other

    def with_dropout(self) -> "Translator":
        """The same translator with its dropout on, of the same weights, which are not copied;
        itself where it has no dropout, or has it on."""
        own = (*self.module.parameters(), *self.module.buffers())
        module, noise = deepcopy(self.module, {id(tensor): tensor for tensor in own}), Noise()
        if not with_seeded_dropout(module, noise):
            return self
        other = copy(self)
        other.module, other._noise, other.compiled = module, noise, None
        return other

    @property
    def stride(self) -> int:
        """The network takes images whose sides are multiples of it, px."""
        return int(self.module.stride)  # type: ignore[arg-type]  # of a module: Any

    @property
    def one_by_one(self) -> bool:
        """Whether the module is given one image at a time: it draws random numbers, or has a batch
        norm that cannot be had for each image."""
        return self.draws or has_norms_of_its_own(self.module)

    @property
    def draws(self) -> bool:
        """Whether the module draws random numbers of its own."""
        return bool(getattr(self.module, "draws", False))

    @property
    def samples(self) -> bool:
        """Whether another seed gives another output."""
        return self.draws or self._noise is not None

    @contextmanager
    def _seeded(self, seed: int | None) -> Iterator[None]:
        with ExitStack() as stack:
            if self._noise is not None and seed is not None:
                stack.enter_context(self._noise.seeded(seed, self.device))
            if self.draws:
                stack.enter_context(seeded_torch(seed or 0, self.device))
            yield
