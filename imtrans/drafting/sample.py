"""What some pictures of each side are: their sizes, kinds, values and colours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

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
from imtrans.drafting.chirality import Chirality, chirality

HEADERS = 100  # pictures whose headers are read
DECODED = 48  # and whose pixels are; of large ones
FEWEST, PIXELS = 12, 100e6  # fewer, so that about so many pixels are read
BEHIND: Literal["white"] = "white"  # transparent pixels, here as in the recipe that is drafted


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
    broken: dict[str, str] = field(default_factory=dict)  # files that cannot be read, and why
    chirality: Chirality = Chirality()  # how many differ from their mirrored copies

    @property
    def kind(self) -> str:
        """What the pictures look like, if that is something one usually translates from."""
        if len(self.colours) > 2 or self.blurred:
            return "labels"
        return "a drawing" if self.ink > DRAWN else ""

    @property
    def palette(self) -> list[Colour]:
        """The colours of a label map or of a mask; empty for other pictures."""
        return self.colours or self.blurred

    @property
    def bytes_of_a_pixel(self) -> int:
        """Of what a file holds of it; 0 where there are no files."""
        widths = {"uint8": 1, "uint16": 2, "float32": 4}
        return max((one.channels * widths.get(one.dtype, 4) for one in self.headers), default=0)

    @property
    def counted(self) -> str:
        """How many colours were found, in words."""
        where = ", as JPEG keeps them" if self.blurred else ""
        return f"{len(self.palette)} colours in all files looked at{where}"

    @property
    def in_colour(self) -> bool:
        """Whether most files are 8-bit pictures in colour."""
        kinds = [one.dtype == "uint8" and one.channels == 3 for one in self.headers]
        return sum(kinds) * 2 > len(kinds)


def sample_side(pictures: Sequence[Picture]) -> SideSample:
    """Look at some of these pictures; what cannot be read is named and left out."""
    found = SideSample()
    for at in spread(len(pictures), HEADERS):
        with _noting(found, pictures[at]):
            read = header(pictures[at])
            width, height = read.size
            found.headers.append(read)
            found.sizes.append((width // 2 if pictures[at].half else width, height))
    pixels = []
    for at in spread(len(pictures), _affordable(found.sizes)):
        with _noting(found, pictures[at]):
            dtype = header(pictures[at]).dtype
            expected = PixelSpec(None, dtype, BEHIND)  # type: ignore[arg-type]  # decode refuses others
            pixels.append(decode(pictures[at], expected))
    if pixels:
        _summarise(found, pixels)
    return found


@contextmanager
def _noting(found: SideSample, picture: Picture) -> Iterator[None]:
    """Name what cannot be read, and go on with the next."""
    try:
        yield
    except ImtransError as error:
        found.broken.setdefault(picture.path, str(error).removeprefix(f"{picture.path}: "))


def _summarise(found: SideSample, pixels: Sequence[Tensor]) -> None:
    """What the pixels of a side show."""
    views = [viewable(one) for one in pixels]
    found.chirality = chirality(views)
    found.low = min(float(one.min()) for one in pixels)
    found.high = max(float(one.max()) for one in pixels)
    jpeg = any(one.format == "JPEG" for one in found.headers)
    if pixels[0].dtype == torch.uint8:
        found.colours = [] if jpeg else few_colours(pixels)
        found.ink = median(float(ink(one)) for one in pixels)
        found.blurred = list(dominant_colours(views)) if jpeg else []


def sides(pairs: Sequence[Pair]) -> tuple[list[Picture], list[Picture]]:
    """The first picture of A and of B, of some pairs."""
    some = [pairs[at] for at in spread(len(pairs), HEADERS)]
    return [pair.a[0] for pair in some if pair.a], [pair.b[0] for pair in some]


def _affordable(sizes: Sequence[tuple[int, int]]) -> int:
    """How many pictures of these sizes are decoded."""
    each = median(width * height for width, height in sizes) if sizes else 1
    return max(FEWEST, min(DECODED, int(PIXELS / each)))
