"""Between Pillow's images and tensors (C, H, W)."""

import io

import torch
from PIL import Image
from torch import Tensor

from imtrans.errors import ImtransError
from imtrans.pictures import Picture

MODES = {
    (torch.uint8, 1): "L",
    (torch.uint8, 2): "LA",
    (torch.uint8, 3): "RGB",
    (torch.uint8, 4): "RGBA",
    (torch.int32, 1): "I;16",
    (torch.float32, 1): "F",
}
RAW = {torch.uint8: torch.uint8, torch.int32: torch.uint16, torch.float32: torch.float32}


def to_image(pixels: Tensor) -> Image.Image:
    """The image of stored pixels: uint8 of up to four channels, or grey of 16 bits or float32.

    Raises ImtransError for others: Pillow has no such images.
    """
    channels, height, width = pixels.shape
    mode = MODES.get((pixels.dtype, channels))
    if mode is None:
        raise ImtransError(
            f"Pillow has no image of {channels} channels of {RAW[pixels.dtype]}; use "
            "Translator.translate, which returns a tensor, or `imtrans translate`"
        )
    data = pixels.permute(1, 2, 0).contiguous().cpu().to(RAW[pixels.dtype]).numpy().tobytes()
    return Image.frombytes(mode, (width, height), data)


def to_tensor(image: Image.Image) -> Tensor:
    """uint8 (C, H, W) of an 8-bit image, its channels as they are."""
    width, height = image.size
    flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return flat.view(height, width, len(image.getbands())).permute(2, 0, 1)


def to_picture(image: Image.Image) -> Picture:
    """An image in memory as a picture, to be read as a file would be."""
    file = io.BytesIO()
    image.save(file, "TIFF" if image.mode in ("F", "CMYK") else "PNG", compress_level=0)
    return Picture("the image", content=file.getvalue())
