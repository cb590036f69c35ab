"""A drawing, as a run takes it: its palette's colours, or the classes that they stand for."""

import base64
import binascii
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.board.palette import Palette
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.translation.forms import picture_of

START = "data:image/png;base64,"
NAME = "the drawing"


@dataclass(frozen=True)
class Drawing:
    """What is drawn for a run: in which palette, of which size."""

    palette: Palette
    width: int
    height: int
    max_pixels: int

    def picture(self, value: object) -> Picture | None:
        """The picture of a board, which sends a PNG as a data URL; None where nothing was drawn.
        Raises ImtransError for anything else."""
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not value.startswith(START):
            raise ImtransError(f"a drawing is a PNG as a data URL: {START}...")
        try:
            content = base64.b64decode(value[len(START) :], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ImtransError("the drawing is not base64 text") from error
        picture = Picture(NAME, content=content)
        return self._classes(picture) if self.palette.stored() else picture

    def _classes(self, picture: Picture) -> Picture:
        """The same with the numbers of classes for their colours."""
        pixels = decode(picture, PixelSpec(3, "uint8", "drop", self.max_pixels))
        return replace(picture_of(classes_of(pixels, self.palette.stored())), path=NAME)


def classes_of(pixels: Tensor, stored: dict[str, tuple[int, ...]]) -> np.ndarray:
    """Colours (3, H, W) as what is stored for them, (H, W) or (H, W, C). Raises ImtransError for a
    colour that is none of them."""
    values = pixels.permute(1, 2, 0).numpy().astype(np.int64)
    codes = values @ np.array([65536, 256, 1])
    found = np.zeros((*codes.shape, len(next(iter(stored.values())))), np.uint8)
    known = np.zeros(codes.shape, bool)
    for colour, numbers in stored.items():
        here = codes == int(colour[1:], 16)
        found[here], known = numbers, known | here
    if not known.all():
        raise ImtransError("the drawing has a colour that is not of the palette")
    return found[..., 0] if found.shape[2] == 1 else found
