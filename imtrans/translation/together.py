"""Several images through a translator at once, each as it would be translated alone."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from imtrans.api.errors import is_out_of_memory
from imtrans.host.devices import free_memory
from imtrans.translation.network.memory import SPARE, bytes_per_pixel
from imtrans.translation.padding import pad_to_multiple, padded_size

if TYPE_CHECKING:
    from imtrans.translation.network.compiled import Compiled
    from imtrans.translation.translator import Translator

# Of a batch, at most: a GPU is busy with 16 images as a CPU is with eight.
PIXELS = {"cpu": 2**19, "cuda": 2**20}
IMAGES = {"cpu": 8, "cuda": 16}
UNLIMITED = 2**62
SHARE = 0.5  # of the free memory that a batch may take on a CPU
# Bytes that it may take there in any case; else as many as the weights. What is repaid is that
# weights are read once for all: four images of 256 px take 0.6 of the time with unet_256 (218 MB of
# weights, 27 MB an image), and 1.1 with resnet_9 (46 MB of weights, 39 MB an image). And training
# has the weights four times, so that validation takes no more memory than that.
LEAST = 2**24
# Mean differences of outputs in [-1, 1]. The first is a hundredth of a grey level of 8 bits. The
# second allows for another algorithm: another batch size may be computed by another in bf16.
SAME, ROUNDED = 1e-4, 0.05


class Together:
    """Translates images of one size in batches, as long as no image changes another's output.

    Batch norm is no obstacle (see `modes.EachByItself`); whether a network mixes the images of a
    batch in another way is found out by trying: where it does, images are translated one by one.
    Where a batch does not fit into memory, that one and all that follow are halved.
    """

    def __init__(self, translator: "Translator", images: int | None = None) -> None:
        """`images`: how many go together at most, if memory allows; by default a number that suits
        the device and the size of the images."""
        self.translator = translator
        kind = translator.device.type
        self._images = images or IMAGES.get(kind, IMAGES["cpu"])
        self._wanted = images is not None
        limit = UNLIMITED if self._wanted else PIXELS.get(kind, PIXELS["cpu"])
        self._pixels = self._all_pixels = limit
        self._mixes: bool | None = None  # None: to be found out
        self._changes = 0

    def weights_changed(self) -> None:
        """The network has learned: what was found out may be so no more. A gate that is closed in
        the beginning opens with the first step; later changes are rarer: it is tried again after
        1, 2, 4, 8 ... calls of this."""
        self._changes += 1
        if not self._mixes and self._changes & (self._changes - 1) == 0:
            self._mixes = None

    def most(self, source: torch.Size, target: torch.Size) -> int:
        """How many images go together at most: a function of the device and of their sizes (..., H,
        W) alone."""
        return max(min(self._all_pixels // self._pixels_of(source, target), self._images), 1)

    def output_at(
        self, sources: Tensor, height: int, width: int, seed: int | None = None
    ) -> Tensor:
        """The outputs (N, C, height, width) for sources (N, C, h, w), of each as it would be alone.
        `seed`: instead of the translator's. Raises what the translator raises for one image."""
        pixels = self._pixels_of(sources.shape, torch.Size((height, width)))
        padded, (rows, columns) = pad_to_multiple(sources, self.translator.stride)
        resized = self.translator.encoding.resized
        parts = self._parts(padded, pixels, seed)
        outputs = [resized(part[..., rows, columns], height, width) for part in parts]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs)

    def outputs(self, sources: Sequence[Tensor], seed: int | None = None) -> list[Tensor]:
        """The outputs (1, C, h, w) for sources (1, C, h, w) that are of one size when padded."""
        padded, places = zip(
            *(pad_to_multiple(source, self.translator.stride) for source in sources), strict=True
        )
        whole = torch.cat(padded).to(self.translator.device)
        made = torch.cat(list(self._parts(whole, whole.shape[-2] * whole.shape[-1], seed)))
        return [
            one[..., rows, columns]
            for one, (rows, columns) in zip(made.split(1), places, strict=True)
        ]

    def _parts(self, padded: Tensor, pixels: int, seed: int | None = None) -> Iterator[Tensor]:
        """Outputs for padded sources, as many at once as may be. `pixels`: what each counts."""
        while padded.shape[0]:
            part = padded[: self._count(padded, pixels)]
            try:
                output = self._output(part, seed)
            except (MemoryError, RuntimeError) as error:
                if len(part) == 1 or not is_out_of_memory(error):
                    raise
                self._pixels = len(part) // 2 * pixels
                continue
            yield output
            padded = padded[len(part) :]

    def _output(self, padded: Tensor, seed: int | None) -> Tensor:
        compiled = self.translator.compiled
        if compiled and self._fill(compiled, padded):
            parts = map(self.translator.compiled_output, padded.split(compiled.images))
            made = [part for part in parts if part is not None]
            if sum(map(len, made)) == len(padded):
                return torch.cat(made)
        return self.translator.padded_output(padded, seed)

    def _fill(self, compiled: "Compiled", padded: Tensor) -> bool:
        """Whether as many of this size go together as the compiled network always computes: it
        would take as long, and as much memory, for fewer."""
        pixels = padded.shape[-2] * padded.shape[-1]
        most = min(self._pixels // pixels, self._images, self._room() // pixels)
        fill = most >= compiled.images and not self._mixes
        compiled.passed_over |= not fill
        return fill

    def _pixels_of(self, source: torch.Size, target: torch.Size) -> int:
        """What one image counts."""
        height, width = (padded_size(side, self.translator.stride) for side in source[-2:])
        return max(height * width, target[-2] * target[-1])

    def _count(self, sources: Tensor, pixels: int) -> int:
        count = min(len(sources), self._pixels // pixels, self._images)
        if count < 2 or self.translator.one_by_one:
            return 1
        count = min(count, self._room() // pixels)
        if count > 1 and self._mixes is None:
            self._mixes = not self._keeps_apart(sources[:1])
        return 1 if self._mixes else max(count, 1)

    def _room(self) -> int:
        """How many pixels a batch may have. CUDA tells when its memory is full; a CPU ends the
        process, so where nothing is known it gets one image at a time."""
        device = self.translator.device
        if device.type == "cuda":
            return self._pixels
        free, taken = free_memory(device), self._bytes_per_pixel
        if not free or not taken:
            return 0
        compiled = self.translator.compiled
        wanted = self._wanted or (compiled is not None and compiled.why_not is None)
        repaid = free if wanted else max(self._weights, LEAST)
        return int(min(SHARE * free / SPARE, repaid) / taken)

    @cached_property
    def _weights(self) -> int:
        # In fp32, as what an image takes is counted: in bf16 both are half of it.
        return sum(4 * weight.numel() for weight in self.translator.module.parameters())

    @cached_property
    def _bytes_per_pixel(self) -> float | None:
        with self._without_trace():
            return bytes_per_pixel(self.translator.module, self.translator.encoding.source_channels)

    def _without_trace(self) -> AbstractContextManager[None]:
        """A network may draw random numbers and not say so."""
        device = self.translator.device
        return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])

    def _keeps_apart(self, source: Tensor) -> bool:
        """Whether the output for an image is the same whatever is beside it, and as if alone."""
        noise = torch.rand(source.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
        neighbours = noise.to(source.device), torch.zeros_like(source)
        # An image between two others: what comes before it may matter, or what comes after.
        batches = [torch.cat([beside, source, beside]) for beside in neighbours]
        try:
            with self._without_trace():
                one, other = (self.translator.output(batch)[1:2] for batch in batches)
                alone = self.translator.output(source)
            return _apart(one, other) <= SAME and _apart(one, alone) <= ROUNDED
        except Exception:  # whatever a plugin's network does with several; one is asked again
            return False


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().mean())
