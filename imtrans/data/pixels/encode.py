"""From a tensor of pixels to a file: one that holds them losslessly, or a lossy one on request."""

import io
import os
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import Z_RLE

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
from imtrans.host.files import beside, make_folders

TIFF = (".tif", ".tiff")
JPEG = (".jpg", ".jpeg")
WEBP = ".webp"
SIGNED = ("Software", "imtrans")  # in the text of a PNG
QUALITY = 92  # of a JPEG that was asked for; Pillow's default of 75 is seen
# The channels that a format can hold; 2 and 4 are grey and RGB with alpha.
HELD: dict[tuple[str, str], tuple[int, ...]] = {
    (".png", "uint8"): (1, 2, 3, 4),
    (".png", "uint16"): (1, 3, 4),
    (".bmp", "uint8"): (1, 3),
}
# On request: JPEG loses something in any case, WebP if a quality is given.
ON_REQUEST = {(".jpg", "uint8"): (1, 3), (".jpeg", "uint8"): (1, 3), (WEBP, "uint8"): (1, 3, 4)}


@dataclass(frozen=True)
class FileFormat:
    """The files that results are written as. Without a `suffix`, as ".jpg", each is of its input's
    format where that holds it losslessly, else PNG or TIFF. `quality`, 1 to 100, of JPEG and WebP;
    without it WebP is lossless."""

    suffix: str | None = None
    quality: int | None = None

    def suffix_for(self, suffix: str, channels: int, dtype: str) -> str:
        """The suffix of a result, given its input's."""
        if self.suffix:
            return self.suffix
        for candidate in (suffix, ".png"):
            if _holds(candidate.lower(), channels, dtype):
                return candidate
        return ".tif"

    @property
    def is_lossy(self) -> bool:
        return self.suffix in JPEG or (self.suffix == WEBP and self.quality is not None)

    def why_not(self, channels: int, dtype: str) -> str | None:
        """Why such results cannot be written so, if they cannot."""
        if not self.suffix or _holds_on_request(self.suffix.lower(), channels, dtype):
            return None
        return f"{self.suffix} cannot hold {channels} channels of {dtype}"


KEPT = FileFormat()


def encode(pixels: Tensor, path: Path, dtype: Depth, quality: int | None = None) -> None:
    """Write pixels (C, H, W) as a file whose suffix is one that `FileFormat` gives.

    uint8 pixels are torch.uint8, uint16 ones integers in 0 ... 65535, float32 ones torch.float32.
    Written beside and renamed: an interruption leaves no half image under a good name.
    Raises ValueError when pixels or suffix are of another kind, ImtransError, naming the file,
    when it cannot be written.
    """
    if not _holds_on_request(path.suffix.lower(), len(pixels), dtype):
        raise ValueError(f"{path}: cannot hold {len(pixels)} channels of {dtype}")
    values = _values(pixels, dtype)
    partial = beside(path, "partial")
    try:
        make_folders(path.parent)
        _write(values, partial, path.suffix.lower(), quality)
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
    """Whether files of this suffix hold such pixels losslessly, and say so to whoever sees it."""
    if suffix == ".npy":
        return channels <= NPY_CHANNELS
    return suffix in TIFF or channels in HELD.get((suffix, dtype), ())


def _holds_on_request(suffix: str, channels: int, dtype: str) -> bool:
    return _holds(suffix, channels, dtype) or channels in ON_REQUEST.get((suffix, dtype), ())


def _values(pixels: Tensor, dtype: Depth) -> NDArray[Any]:
    """(H, W, C), contiguous."""
    if dtype != "uint16" and pixels.dtype != getattr(torch, dtype):
        raise ValueError(f"pixels of {pixels.dtype} are not {dtype}")
    values = pixels.permute(1, 2, 0).contiguous().cpu().numpy()
    if dtype == "uint16" and (values.min() < 0 or values.max() > 65535):
        raise ValueError("pixels are outside 0 ... 65535")
    return values.astype(dtype, copy=False)


def _write(values: NDArray[Any], path: Path, suffix: str, quality: int | None) -> None:
    channels = values.shape[2]
    grey = values[:, :, 0] if channels == 1 else values
    if values.dtype == np.uint16 and suffix != ".npy" and channels in (1, 3, 4):
        if suffix == ".png" or channels != 4:  # kornia_rs writes no TIFF with alpha
            return _write_16_bit(values, path, suffix)
    with path.open("wb") as file:
        if suffix == ".npy":
            np.lib.format.write_array(file, grey, allow_pickle=False)
        elif values.dtype == np.uint8 and channels <= 4:
            image = Image.fromarray(grey)
            options = _options(suffix, quality)
            image.save(file, format=Image.registered_extensions()[suffix], **options)
        else:
            _write_tiff(values, file)
    return None


def _options(suffix: str, quality: int | None) -> dict[str, Any]:
    """Of Pillow's encoders."""
    if suffix == ".png":
        # Runs alone are looked for: of photographs in a quarter of the time of PNG's default for
        # files a twentieth larger, of label maps in half of it for files a third larger.
        return {"compress_level": 1, "compress_type": Z_RLE, "pnginfo": _signed()}
    if suffix in JPEG:
        return {"quality": quality or QUALITY}
    if suffix == WEBP:
        # Method 0 takes a seventh of the time of the default for files a fifth larger.
        return {"lossless": True, "method": 0} if quality is None else {"quality": quality}
    return {}


def _signed() -> PngInfo:
    info = PngInfo()
    info.add_text(*SIGNED)
    return info


def is_written_here(path: Path) -> bool:
    """Whether imtrans wrote this file: PNGs of 8 bits say so, and TIFF that was written by rows."""
    if not path.is_file():
        return False  # a pipe would be waited for without end
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
