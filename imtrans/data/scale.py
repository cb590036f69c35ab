"""At which size pictures go through a translator: at the one that training saw.

What a network has learned holds at one scale. Training brings each file to data.load_size and sees
parts of crop_size px of it. Validation, and the test of the published code, bring the whole file to
crop_size instead: the jitter up to load_size is not repeated. Where load_size is so much larger
that the networks saw parts, or where files were only cut and not resized, that is the scale.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.formats.header import header
from imtrans.host.foreign import reading
from imtrans.recipe.schema import DataTable
from imtrans.recipe.sizes import Sides, px, sides_of, size_of

Pixels = Annotated[int, Field(ge=1, lt=2**31)]
Factor = Annotated[float, Field(gt=0, lt=1000)]
Size = tuple[Pixels, Pixels]  # width and height
JITTER = 1.25  # a load_size up to so many times crop_size moves a picture; a larger one cuts it
LOOKED_AT = 500  # files of a data set
FAR = 2  # times larger or smaller than all that training saw


@dataclass(frozen=True)
class TrainingScale:
    """At which size a picture is translated.

    `factors`, across and down, if training resized all its files alike. Otherwise each was brought
    to `size` (px, or height and width), as `resize` (data.resize) understands it, and so are
    others. `smallest` and
    `largest` are the sizes of the files; None if they are unknown.
    """

    size: Pixels | tuple[Pixels, Pixels]
    resize: Literal["square", "shorter"] = "square"
    factors: tuple[Factor, Factor] | None = None
    smallest: Size | None = None
    largest: Size | None = None

    def of(self, width: int, height: int) -> Size:
        """The size at which a picture of this size is translated."""
        if self.factors:
            across, down = self.factors
            return max(round(width * across), 1), max(round(height * down), 1)
        return _brought(self.resize, sides_of(self.size), width, height)

    def is_far(self, width: int, height: int) -> bool:
        """Whether a picture is far larger or smaller than all that training saw."""
        if not self.smallest or not self.largest:
            return False
        sides = zip((width, height), self.smallest, self.largest, strict=True)
        return any(side * FAR < low or side > high * FAR for side, low, high in sides)

    @property
    def seen(self) -> str:
        """The sizes of the files that training saw, in words."""
        if not self.smallest or not self.largest:
            return "files of unknown sizes"
        if self.smallest == self.largest:
            return f"files of {_px(self.smallest)}"
        return f"files of {_px(self.smallest)} to {_px(self.largest)}"

    def __str__(self) -> str:
        if self.factors == (1, 1):
            return f"pixel by pixel, as trained on {self.seen}"
        if self.factors:
            across, down = (f"{factor:.3g}" for factor in self.factors)
            times = across if across == down else f"{across} across and {down} down"
            return f"pictures are resized by {times}, as in training on {self.seen}"
        if self.resize == "shorter":
            brought = f"each picture's shorter side is brought to {self.size} px"
            if not isinstance(self.size, int):
                brought = f"each picture is brought to a size that just covers {px(self.size)}"
        else:
            height, width = sides_of(self.size)
            brought = f"each picture is brought to {_px((width, height))}"
        return f"{brought}, as in training on {self.seen}"

    def dumps(self) -> str:
        return _JSON.dump_json(self).decode()

    @classmethod
    def loads(cls, text: str, origin: object) -> "TrainingScale":
        """Raises ImtransError where `dumps` has not written it."""
        with reading(origin, "its header has no scale"):
            return _JSON.validate_json(text)


_JSON = TypeAdapter(TrainingScale)


def scale_of(data: DataTable, pictures: Iterable[Picture]) -> TrainingScale:
    """The scale of a training on these files: of the source, as a rule."""
    return _scale(data, sorted(set(_sizes(pictures))))


def _scale(data: DataTable, sizes: Sequence[Size]) -> TrainingScale:
    load, crop = data.load, data.crop
    only_cut = bool(sizes) and all(_brought(data.resize, load, *size) == size for size in sizes)
    parts = any(one > JITTER * other for one, other in zip(load, crop, strict=True))
    sides = load if only_cut or parts else crop
    size = size_of(*sides)
    if not sizes:
        return TrainingScale(size, data.resize)
    factors = {_factors(data.resize, sides, *each) for each in sizes}
    widths, heights = zip(*sizes, strict=True)
    return TrainingScale(
        size,
        data.resize,
        factors.pop() if len(factors) == 1 else None,
        (min(widths), min(heights)),
        (max(widths), max(heights)),
    )


def _sizes(pictures: Iterable[Picture]) -> Iterable[Size]:
    for picture in pictures:
        try:
            width, height = header(picture).size
        except ImtransError:
            continue  # who reads it says what is wrong
        yield (width // 2 if picture.half else width), height


def _brought(resize: str, size: Sides, width: int, height: int) -> Size:
    """What data.resize makes of a picture."""
    if resize == "square":
        return size[1], size[0]
    scale = max(size[0] / height, size[1] / width)
    return round(width * scale), round(height * scale)


def _factors(resize: str, size: Sides, width: int, height: int) -> tuple[float, float]:
    across, down = size[1] / width, size[0] / height
    return (across, down) if resize == "square" else (max(across, down), max(across, down))


def _px(size: Size) -> str:
    return f"{size[0]} x {size[1]} px"
