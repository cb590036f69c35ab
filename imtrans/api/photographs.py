"""Helpers for derivations: check that an image is RGB, or convert it. float (C, H, W) in [0, 1]."""

from torch import Tensor


def photograph(photo: Tensor) -> Tensor:
    """Return the photograph unchanged; raise ValueError unless it is RGB."""
    if photo.shape[0] != 3:
        raise ValueError(f"a photograph has 3 channels; this one has {photo.shape[0]}")
    return photo


def rgb(picture: Tensor) -> Tensor:
    """Convert grey, RGB or RGBA to RGB; transparent pixels are blended with white."""
    if picture.shape[0] == 4:
        colour, alpha = picture[:3], picture[3:]
        return colour * alpha + (1 - alpha)
    if picture.shape[0] in (1, 3):
        return picture.expand(3, -1, -1)
    raise ValueError(f"a picture has 1, 3 or 4 channels; this one has {picture.shape[0]}")
