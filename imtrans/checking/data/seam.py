"""Whether pictures are two halves: they change abruptly where A ends and B begins."""

from collections.abc import Sequence

import torch

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.formats.stored import PixelSpec

ABRUPT = 3.0  # times the usual change from one column to the next
MOST = 0.5  # share of the pictures that must have a seam


def have_seams(pictures: Sequence[Picture]) -> bool:
    """Whether most of these pictures, 8-bit files, have a seam in the middle."""
    seams = [seam for picture in pictures if (seam := _seam(picture)) is not None]
    return bool(seams) and sum(seam > ABRUPT for seam in seams) > MOST * len(seams)


def _seam(picture: Picture) -> float | None:
    """The change in the middle, in units of the usual one beside it; None if not readable."""
    try:
        pixels = decode(picture, PixelSpec(alpha="drop")).float()
    except ImtransError:
        return None
    half = pixels.shape[-1] // 2
    if half < 8:
        return None
    changes = (pixels[..., 1:] - pixels[..., :-1]).abs().mean((0, 1))
    usual = torch.cat([changes[half // 2 : half - 2], changes[half + 1 : half + half // 2]])
    return float(changes[half - 1] / usual.median().clamp(min=0.5))
