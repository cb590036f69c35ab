"""Between image files, PIL images and uint8 tensors (C, H, W).

Images are 8-bit grey or RGB here. What would lose something without a word is refused: Pillow
clips 16-bit grey at 255, and opens 16-bit RGB PNG as 8-bit.
"""

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image, ImageOps
from torch import Tensor

from imtrans.errors import ImtransError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV")


def find_images(folder: Path) -> list[Path]:
    """Every image below a folder, as sorted paths relative to it; hidden files are left out."""
    return sorted(path.relative_to(folder) for path in _walk(folder))


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(parent, name)


def read(path: Path, channels: int = 3) -> Image.Image:
    """The image of a file, upright, with 1 (grey) or 3 (RGB) channels.

    Raises ImtransError, naming the file, when it is missing, damaged, or not an 8-bit image.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns at 89 megapixels and refuses at twice that: a warning helps nobody here.
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                check_depth(image, path)
                upright = ImageOps.exif_transpose(image)
                return convert(upright, channels)
    except ImtransError:
        raise
    except Exception as error:  # decoders raise many kinds: OSError, SyntaxError, struct.error ...
        raise ImtransError(f"{path}: {_reason(error)}") from error


def check_depth(image: Image.Image, name: object = "image") -> None:
    """Raise ImtransError unless every channel has 8 bits."""
    depth = _png_depth(image)
    if image.mode not in EIGHT_BIT or depth > 8:
        bits = f"{depth} bits per channel" if depth > 8 else f"Pillow's mode '{image.mode}'"
        raise ImtransError(f"{name}: {bits}; only 8-bit images can be read. convert it to 8 bits")


def convert(image: Image.Image, channels: int) -> Image.Image:
    """The image with 1 (grey) or 3 (RGB) channels; transparency is laid over white."""
    if image.has_transparency_data:
        # Dropping alpha would bring to light whatever colour hides under it.
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("L" if channels == 1 else "RGB")


def to_tensor(image: Image.Image) -> Tensor:
    """uint8 (C, H, W) of a grey or RGB image."""
    width, height = image.size
    flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return flat.view(height, width, len(image.getbands())).permute(2, 0, 1)


def to_image(pixels: Tensor) -> Image.Image:
    """The grey or RGB image of a uint8 tensor (C, H, W)."""
    channels, height, width = pixels.shape
    data = pixels.permute(1, 2, 0).contiguous().cpu().numpy().tobytes()
    return Image.frombytes("L" if channels == 1 else "RGB", (width, height), data)


def _png_depth(image: Image.Image) -> int:
    """Bits per channel in a PNG's header, which Pillow does not tell; 8 for anything else."""
    file = getattr(image, "fp", None)
    if image.format != "PNG" or file is None:
        return 8
    position = file.tell()
    file.seek(24)
    depth = file.read(1)
    file.seek(position)
    return depth[0] if depth else 8


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image, or one that cannot be read"
    if isinstance(error, Image.DecompressionBombError):
        return "too many pixels for one image"
    return f"damaged image: {' '.join(str(error).split()) or type(error).__name__}"
