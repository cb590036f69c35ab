"""Pictures as a browser shows them: data URLs and PNGs that fit a screen."""

import base64
import io
from pathlib import Path

from PIL import Image
from torch import Tensor

from imtrans.serving.storage import Storage

START = "data:image/png;base64,"
SIDE = 1600  # px: a picture to look at is not larger


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
