"""What some pictures of each side are: their sizes, kinds, values and colours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.pixel_summary import viewable
from imtrans.data.few_colours import DRAWN, Colour, few_colours, ink
from imtrans.data.pairs import spread
from imtrans.data.palette import dominant_colours
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.formats.header import ImageHeader, header
from imtrans.data.pixels.formats.stored import PixelSpec

HEADERS = 100  # pictures whose headers are read
DECODED = 24  # and whose pixels are


@dataclass
class SideSample:
    """Some pictures of one side."""

    headers: list[ImageHeader] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)  # px, width and height of a picture
    low: float = 0.0  # stored values
    high: float = 0.0
    colours: list[Colour] = field(default_factory=list)  # all that there are, if they are few
    blurred: list[Colour] = field(default_factory=list)  # of label maps in JPEG
    ink: float = 0.0  # share of pixels that are nearly black or nearly white

    @property
    def kind(self) -> str:
        """What the pictures look like, if that is something one usually translates from."""
        if len(self.colours) > 2 or self.blurred:
            return "labels"
        return "a drawing" if self.ink > DRAWN else ""


def sample_side(pictures: Sequence[Picture]) -> SideSample:
    """Look at some of these pictures; those that cannot be read are left out."""
    found = SideSample()
    for at in spread(len(pictures), HEADERS):
        try:
            read = header(pictures[at])
        except ImtransError:
            continue  # a check reports it
        width, height = read.size
        found.headers.append(read)
        found.sizes.append((width // 2 if pictures[at].half else width, height))
    pixels = list(_pixels([pictures[at] for at in spread(len(pictures), DECODED)]))
    if pixels:
        found.low = min(float(one.min()) for one in pixels)
        found.high = max(float(one.max()) for one in pixels)
        jpeg = any(one.format == "JPEG" for one in found.headers)
        if pixels[0].dtype == torch.uint8:
            found.colours = [] if jpeg else few_colours(pixels)
            found.ink = median(float(ink(one)) for one in pixels)
            found.blurred = list(dominant_colours([viewable(p) for p in pixels])) if jpeg else []
    return found


def sides(pairs: Sequence[Pair]) -> tuple[list[Picture], list[Picture]]:
    """The first picture of A and of B, of some pairs."""
    some = [pairs[at] for at in spread(len(pairs), HEADERS)]
    return [pair.a[0] for pair in some if pair.a], [pair.b[0] for pair in some]


def _pixels(pictures: Sequence[Picture]) -> Iterator[Tensor]:
    for picture in pictures:
        try:
            dtype = header(picture).dtype
            expected = PixelSpec(None, dtype, "drop")  # type: ignore[arg-type]  # decode refuses others
            yield decode(picture, expected)
        except ImtransError:
            continue
