"""Between what a browser has and what a network takes and makes: data URLs and viewable PNGs."""

import base64
import binascii
import io
from pathlib import Path

from PIL import Image
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.serving.storage import Storage

START = "data:image/png;base64,"
SIDE = 1600  # px: a picture to look at is not larger
NAME = "drawing"


def drawn(value: object) -> Picture | None:
    """The picture of a drawing board, a PNG as a data URL; None where nothing was drawn. Raises
    ImtransError for anything else."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not value.startswith(START):
        raise ImtransError(f"a drawing is a PNG as a data URL: {START}...")
    try:
        content = base64.b64decode(value[len(START) :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImtransError("the drawing is not base64 text") from error
    return Picture(NAME, content=content)


def data_url(pixels: Tensor) -> str:
    """uint8 (3, H, W) as a PNG that a page shows without another request."""
    file = io.BytesIO()
    viewable(pixels).save(file, "PNG", compress_level=1)
    return START + base64.b64encode(file.getvalue()).decode("ascii")


def shown(pixels: Tensor, name: str, storage: Storage) -> Path:
    """uint8 (3, H, W) as a PNG in the server's folder."""
    place = storage.place(f"{name}.png")
    viewable(pixels).save(place, "PNG", compress_level=1)
    return place


def viewable(pixels: Tensor, side: int = SIDE) -> Image.Image:
    """uint8 (3, H, W) as an image that fits a screen."""
    image = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    image.thumbnail((side, side))
    return image
