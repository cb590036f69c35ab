"""From a tensor of pixels to a file that holds them losslessly."""

import io
import os
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tifffile import imwrite
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.data.pixels.formats.npy import NPY_CHANNELS
from imtrans.data.pixels.formats.stored import Depth
from imtrans.data.pixels.formats.tiff import MAGIC, opened

TIFF = (".tif", ".tiff")
SIGNED = ("Software", "imtrans")  # in the text of a PNG
# The channels that a format can hold; 2 and 4 are grey and RGB with alpha.
HELD: dict[tuple[str, str], tuple[int, ...]] = {
    (".png", "uint8"): (1, 2, 3, 4),
    (".png", "uint16"): (1, 3, 4),
    (".bmp", "uint8"): (1, 3),
}


def result_suffix(suffix: str, channels: int, dtype: str) -> str:
    """The suffix of a result, given its input's: the same if it can hold the result losslessly."""
    for candidate in (suffix, ".png"):
        if _holds(candidate.lower(), channels, dtype):
            return candidate
    return ".tif"


def encode(pixels: Tensor, path: Path, dtype: Depth) -> None:
    """Write pixels (C, H, W) as a file whose suffix is one that `result_suffix` gives.

    uint8 pixels are torch.uint8, uint16 ones integers in 0 ... 65535, float32 ones torch.float32.
    Written beside and renamed: an interruption leaves no half image under a good name.
    Raises ValueError when pixels or suffix are of another kind, ImtransError, naming the file,
    when it cannot be written.
    """
    if not _holds(path.suffix.lower(), len(pixels), dtype):
        raise ValueError(f"{path}: cannot hold {len(pixels)} channels of {dtype}")
    values = _values(pixels, dtype)
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(values, partial, path.suffix.lower())
        os.replace(partial, path)
    except ImtransError as error:
        raise ImtransError(f"{path}: {error}") from error
    except Exception as error:  # kornia_rs raises plain Exception
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ImtransError(f"{path}: cannot be written: {reason}") from error
    finally:
        with suppress(OSError):  # also where there is no folder for it
            partial.unlink()


def _holds(suffix: str, channels: int, dtype: str) -> bool:
    if suffix == ".npy":
        return channels <= NPY_CHANNELS
    return suffix in TIFF or channels in HELD.get((suffix, dtype), ())


def _values(pixels: Tensor, dtype: Depth) -> NDArray[Any]:
    """(H, W, C), contiguous."""
    if dtype != "uint16" and pixels.dtype != getattr(torch, dtype):
        raise ValueError(f"pixels of {pixels.dtype} are not {dtype}")
    values = pixels.permute(1, 2, 0).contiguous().cpu().numpy()
    if dtype == "uint16" and (values.min() < 0 or values.max() > 65535):
        raise ValueError("pixels are outside 0 ... 65535")
    return values.astype(dtype, copy=False)


def _write(values: NDArray[Any], path: Path, suffix: str) -> None:
    channels = values.shape[2]
    grey = values[:, :, 0] if channels == 1 else values
    if values.dtype == np.uint16 and suffix != ".npy" and channels in (1, 3, 4):
        if suffix == ".png" or channels != 4:  # kornia_rs writes no TIFF with alpha
            return _write_16_bit(values, path, suffix)
    with path.open("wb") as file:
        if suffix == ".npy":
            np.lib.format.write_array(file, grey, allow_pickle=False)
        elif values.dtype == np.uint8 and channels <= 4:
            # Level 1: PNG's default takes four times as long for files a tenth smaller.
            options = {"compress_level": 1, "pnginfo": _signed()} if suffix == ".png" else {}
            image = Image.fromarray(grey)
            image.save(file, format=Image.registered_extensions()[suffix], **options)
        else:
            _write_tiff(values, file)
    return None


def _signed() -> PngInfo:
    info = PngInfo()
    info.add_text(*SIGNED)
    return info


def is_written_here(path: Path) -> bool:
    """Whether imtrans wrote this file: PNGs of 8 bits say so, and TIFF that was written by rows."""
    try:
        with path.open("rb") as file:
            if file.read(4) in MAGIC:
                file.seek(0)
                with opened(file) as tiff:
                    return tiff.pages.first.software == SIGNED[1]
        with Image.open(path) as image:
            return image.info.get(SIGNED[0]) == SIGNED[1]
    except Exception:  # whatever it is, it is not ours
        return False


def _write_16_bit(values: NDArray[Any], path: Path, suffix: str) -> None:
    kornia = import_module("kornia_rs").io
    write = kornia.write_image_png_u16 if suffix == ".png" else kornia.write_image_tiff_u16
    write(str(path), values, {1: "mono", 3: "rgb", 4: "rgba"}[values.shape[2]])


def _write_tiff(values: NDArray[Any], file: io.BufferedWriter) -> None:
    channels = values.shape[2]
    imwrite(
        file,
        values[:, :, 0] if channels == 1 else values,
        photometric="rgb" if channels == 3 else "minisblack",
        planarconfig=None if channels == 1 else "contig",
        metadata=None,  # its description of shapes is of use to itself only
    )
