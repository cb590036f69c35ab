"""What a picture may be in Python, and that its translation is the same: a PIL image, an array, a
tensor; or a path."""

import io
import os
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.formats.npy import NPY_CHANNELS
from imtrans.data.pixels.images import RAW, to_image, to_picture

NAME = "the image"


def picture_of(image: object) -> Picture:
    """Any of them as a picture, to be read as its file would be. Raises ImtransError.

    Arrays are (H, W) or (H, W, C), tensors (C, H, W): stored pixels, as files of the recipe's dtype
    have them, 0 ... 255 in uint8.
    """
    if isinstance(image, str | os.PathLike):
        return Picture(os.fspath(image))
    if isinstance(image, Tensor):
        return _of_array(_of_tensor(image))
    if isinstance(image, np.ndarray):
        return _of_array(image)
    return to_picture(image)


def in_form_of(given: object, result: Tensor) -> Any:
    """A result, stored pixels (C, H, W), in the form of what was given: of a path, a PIL image."""
    if isinstance(given, Tensor):
        return result.to(RAW[result.dtype])
    if isinstance(given, np.ndarray):
        pixels = result.permute(1, 2, 0).to(RAW[result.dtype]).numpy()
        return np.ascontiguousarray(pixels[..., 0] if given.ndim == 2 else pixels)
    return to_image(result)


def several(images: object) -> bool:
    """Whether something is several images rather than one."""
    if isinstance(images, Tensor | np.ndarray):
        return images.ndim == 4
    one = isinstance(images, str | os.PathLike | Image.Image)
    return not one and hasattr(images, "__iter__")


def _of_array(values: np.ndarray[Any, Any]) -> Picture:
    channels = values.shape[2] if values.ndim == 3 else 1
    if values.dtype == np.uint8 and values.ndim in (2, 3) and channels in (1, 3) and values.size:
        # As a file of these pixels: grey becomes RGB where the recipe has that.
        return to_picture(
            Image.fromarray(values if channels == 3 else values.reshape(values.shape[:2]))
        )
    return _in_memory(values)


def _of_tensor(image: Tensor) -> np.ndarray[Any, Any]:
    if image.ndim != 3:
        raise ImtransError(
            f"a tensor (C, H, W) is expected, of one image; this one is {tuple(image.shape)}"
        )
    if image.shape[0] > NPY_CHANNELS and image.shape[-1] <= NPY_CHANNELS:
        raise ImtransError(f"a tensor is (C, H, W); this one is {tuple(image.shape)}")
    values: np.ndarray[Any, Any] = image.detach().cpu().permute(1, 2, 0).numpy()
    if values.dtype == np.int32 and 0 <= values.min() and values.max() <= 65535:
        return values.astype(np.uint16)  # as `Translator.translate` returns them
    return values


def _in_memory(values: np.ndarray[Any, Any]) -> Picture:
    if values.ndim not in (2, 3) or 0 in values.shape:
        raise ImtransError(
            f"an array (H, W) or (H, W, C) is expected, of one image; this one is {values.shape}"
        )
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(values), allow_pickle=False)
    return Picture(NAME, content=file.getvalue())
