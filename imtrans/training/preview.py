"""What the generator makes of a few fixed pairs: a grid of source | fake | target."""

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from imtrans.data import images
from imtrans.data.samples import Sampler
from imtrans.pictures import Pair
from imtrans.translation.translator import Translator

ROWS = 4
GAP = 4  # px


class Preview:
    """Translates the same pairs again and again, exactly as `imtrans translate` would."""

    def __init__(self, pairs: Sequence[Pair], sampler: Sampler, translator: Translator) -> None:
        self.samples = [sampler.plain(pair) for pair in spread(pairs, ROWS)]
        self.translator = translator

    def draw(self) -> Image.Image:
        """The grid as it stands now."""
        return images.to_image(grid([self._row(*sample) for sample in self.samples]))

    def _row(self, source: Tensor, target: Tensor) -> list[Tensor]:
        encoding, device = self.translator.encoding, self.translator.device
        source, target = encoding.encode(source[None].to(device), target[None].to(device))
        fake = self.translator.fake(source)
        return [
            encoding.show_source(source),
            encoding.show_target(fake, source),
            encoding.show_target(target, source),
        ]


def spread(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Up to `count` pairs, spread evenly over the list."""
    count = min(count, len(pairs))
    return [pairs[number * len(pairs) // count] for number in range(count)]


def grid(rows: list[list[Tensor]], gap: int = GAP) -> Tensor:
    """Images (3, H, W) of one size as one, white between them."""
    height, width = rows[0][0].shape[-2:]
    canvas = torch.full(
        (3, len(rows) * (height + gap) - gap, len(rows[0]) * (width + gap) - gap),
        255,
        dtype=torch.uint8,
    )
    for y, row in enumerate(rows):
        for x, image in enumerate(row):
            top, left = y * (height + gap), x * (width + gap)
            canvas[:, top : top + height, left : left + width] = image
    return canvas
