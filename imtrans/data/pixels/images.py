"""Between Pillow's images and tensors (C, H, W)."""

import io
from collections.abc import Sequence

import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn.functional import pad

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture

MODES = {
    (torch.uint8, 1): "L",
    (torch.uint8, 2): "LA",
    (torch.uint8, 3): "RGB",
    (torch.uint8, 4): "RGBA",
    (torch.int32, 1): "I;16",
    (torch.float32, 1): "F",
}
# Modes of Pillow that a file can hold, and what others become without a loss that is seen.
STORED = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
KEPT = {"YCbCr": "RGB", "HSV": "RGB", "LAB": "RGB", "RGBX": "RGB", "RGBa": "RGBA"}
KEPT |= {"La": "LA", "PA": "RGBA"}
GAP = 4  # px, between the images of a grid
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


def to_picture(image: object) -> Picture:
    """An image in memory as a picture, to be read as a file would be: upright, if it says how it
    was taken. Raises ImtransError for what is no image, or has no pixels."""
    if not isinstance(image, Image.Image):
        raise ImtransError(
            f"an image of PIL, an array, a tensor or a path is expected, not a "
            f"{type(image).__name__}"
        )
    if not image.width or not image.height:
        raise ImtransError(f"the image has no pixels: it is {image.width} x {image.height}")
    image = ImageOps.exif_transpose(image)
    if image.mode in KEPT:
        image = image.convert(KEPT[image.mode])
    elif image.mode not in STORED:
        raise ImtransError(
            f"the image has the mode '{image.mode}'; use image.convert with one of "
            f"{', '.join(STORED)}"
        )
    file = io.BytesIO()
    image.save(file, "TIFF" if image.mode in ("F", "CMYK") else "PNG", compress_level=0)
    return Picture("the image", content=file.getvalue())


def middle(image: Tensor, size: tuple[int, int]) -> Tensor:
    """What is in the middle of an image (3, H, W), of this height and width; white where the image
    is smaller."""
    height, width = image.shape[-2:]
    top, left = (size[0] - height) // 2, (size[1] - width) // 2  # below 0 it is cut
    borders = (left, size[1] - width - left, top, size[0] - height - top)
    return pad(image, borders, value=255)


def grid(rows: Sequence[Sequence[Tensor]], gap: int = GAP) -> Tensor:
    """Images (3, H, W) of one size as one, white between them; the last row may be shorter."""
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
