"""The proof that an exported file computes what imtrans does, on images of random sizes."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.samplers import noise_for
from imtrans.translation.export.values import Form
from imtrans.translation.padding import padded_size

TOLERANCE = 1e-4  # in [-1, 1], of a file in fp32
IMAGES = 3  # inputs, of 1 to 3 images
SIDE = 256  # px; the longest side, or two strides if these are more
GREY = 255 / 2  # grey levels in one unit of [-1, 1]

Run = Callable[..., Tensor]  # of a source, and of noise where that is an input


class ParityError(ImtransError):
    """An exported file does not compute what imtrans does."""


@dataclass
class Parity:
    """How far outputs are from imtrans's own in fp32, in [-1, 1]."""

    largest: float = 0.0
    mean: float = 0.0
    sizes: list[list[int]] = field(default_factory=list)  # batch, height, width

    @property
    def in_grey_levels(self) -> tuple[float, float]:
        """Largest and mean, of 255."""
        return self.largest * GREY, self.mean * GREY

    def __str__(self) -> str:
        largest, mean = self.in_grey_levels
        inputs = ", ".join(f"{n} x {width} x {height} px" for n, height, width in self.sizes)
        return (
            f"differs from imtrans's own output in fp32 by {self.largest:.1e} at most and "
            f"{self.mean:.1e} on average, in [-1, 1]; {largest:.2g} and {mean:.2g} of 255 grey "
            f"levels. compared on {inputs}"
        )

    def dumps(self) -> str:
        largest, mean = self.in_grey_levels
        about = {"max_difference": self.largest, "mean_difference": self.mean, "in": [-1, 1]}
        return json.dumps(
            about
            | {"max_grey_levels": largest, "mean_grey_levels": mean}
            | {"batch_height_width": self.sizes}
        )


def measured(
    expected: Run, found: Run, source: Form, channels: Sequence[int], stride: int, seed: int
) -> Parity:
    """Compare what two functions make of sources of random values and sizes, which `seed` draws,
    and of noise if they take two inputs: `channels` are those of each. Raises ParityError when an
    output has another shape, or is not finite."""
    generator = torch.Generator().manual_seed(seed)
    parity = Parity()
    means = []
    for count, height, width in _sizes(stride, generator):
        stored = source.drawn((count, channels[0], height, width), generator)
        noise = [noise_for(stored, each, generator) for each in channels[1:]]
        ours, theirs = expected(stored, *noise), found(stored, *noise)
        if ours.shape != theirs.shape or not bool(theirs.isfinite().all()):
            raise ParityError(
                f"the exported network's output for {count} x {width} x {height} px is not finite, "
                "or of another shape; nothing is written"
            )
        difference = (ours - theirs).abs()
        parity.largest = max(parity.largest, float(difference.max()))
        means.append(float(difference.mean()))
        parity.sizes.append([count, height, width])
    parity.mean = sum(means) / len(means)
    return parity


def _sizes(stride: int, generator: torch.Generator) -> Iterator[tuple[int, int, int]]:
    """Batch, height and width of three inputs, each of another batch, none square."""
    least = padded_size(1, stride) // stride
    most = max(least + 1, SIDE // stride)
    for index in torch.randperm(IMAGES, generator=generator).tolist():
        rows, columns = torch.randperm(most - least + 1, generator=generator)[:2] + least
        yield index + 1, int(rows) * stride, int(columns) * stride
