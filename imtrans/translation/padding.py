"""Any image size through a network that takes only multiples of its stride."""

import torch
from torch import Tensor

from imtrans.contracts.sizes import SMALLEST, smallest_side


def pad_to_multiple(image: Tensor, stride: int) -> tuple[Tensor, tuple[slice, slice]]:
    """Reflect an image (N, C, H, W) to the next multiples of `stride`, equally on opposite sides,
    and to no less than SMALLEST.

    Returns it with the (rows, columns) of the original. Unlike torch's own reflection pad
    it takes images smaller than the border: the reflection goes back and forth.
    """
    rows, top = _reflected(image.shape[-2], stride)
    columns, left = _reflected(image.shape[-1], stride)
    where = slice(top, top + image.shape[-2]), slice(left, left + image.shape[-1])
    if len(rows) == image.shape[-2] and len(columns) == image.shape[-1]:
        return image, where
    device = image.device
    return image.index_select(-2, rows.to(device)).index_select(-1, columns.to(device)), where


def padded_size(size: int, stride: int) -> int:
    """How long a side of `size` px is then."""
    return smallest_side(stride, max(size, SMALLEST))


def _reflected(size: int, stride: int) -> tuple[Tensor, int]:
    """Which original position each padded position shows, and where the original starts."""
    padded = padded_size(size, stride)
    before = (padded - size) // 2
    # A triangle wave: 0 .. size-1 and back, the outermost position not repeated.
    period = max(2 * (size - 1), 1)
    position = (torch.arange(padded) - before) % period
    return torch.minimum(position, period - position) if size > 1 else position * 0, before
