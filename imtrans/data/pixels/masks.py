"""A mask beside its picture: photo.jpg and photo.mask.png, white where the hole is."""

import os
from collections.abc import Iterable
from pathlib import Path

from imtrans.api.pictures import SUFFIXES, Picture

MASK = ".mask"


def mask_beside(picture: Picture) -> Picture | None:
    """The mask of a picture, if there is one beside its file."""
    if picture.content is not None or picture.member:
        return None
    path = Path(picture.path)
    beside = (path.with_name(f"{path.stem}{MASK}{suffix}") for suffix in SUFFIXES)
    return next((Picture(str(mask)) for mask in beside if os.path.isfile(mask)), None)


def without_masks(paths: Iterable[Path]) -> list[Path]:
    """The paths but those of masks whose picture is among them."""
    paths = list(paths)
    pictures = {path.with_suffix("") for path in paths}
    return [
        path
        for path in paths
        if not (path.stem.endswith(MASK) and path.with_name(path.stem[: -len(MASK)]) in pictures)
    ]
