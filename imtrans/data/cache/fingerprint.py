"""What the pixels of a cache depend on, as one short word."""

import hashlib
import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from imtrans.api.addresses import is_address
from imtrans.api.pictures import Pair, Picture, summary_of
from imtrans.data.cache.cache import FORMAT
from imtrans.recipe.schema import DataTable
from imtrans.recipe.side_table import SideTable
from imtrans.recipe.sizes import Sides, size_of

# Raised when imtrans itself reads or resizes otherwise than before.
READING = 1
# A decoder or a resampler of another version may give other pixels.
DECODERS = ("pillow", "kornia_rs", "tifffile", "torch", "numpy")


def fingerprint(pairs: Sequence[Pair], data: DataTable, size: Sides, *, paired: bool = True) -> str:
    """32 hexadecimal digits: other files, changed files or other settings give others.

    Not `paired`: each side is brought to load size by itself.

    A file is known by its path, its length and the times of its last changes, of content and of
    entry (mtime, ctime): no program can set the second. Raises OSError when a file is missing.
    """
    settings = [*_settings(data, size), paired]
    digest = hashlib.sha256(repr(settings).encode("utf-8", "surrogateescape"))
    if summary := summary_of(pairs):
        for picture in summary.files:
            digest.update(_identity(picture, {}))
        digest.update(summary.digest)
        return digest.hexdigest()[:32]
    stated: dict[str, object] = {}
    for pair in pairs:
        for picture in (*pair.a, *pair.b):
            if picture.path not in stated:
                stated.clear()  # the next pairs are in other files, or all in the same tar
            digest.update(_identity(picture, stated))
        digest.update(b"\n")
    return digest.hexdigest()[:32]


def _settings(data: DataTable, size: Sides) -> list[object]:
    sides = [_side(side) for side in (data.source, data.target)]
    reading = [data.direction, bool(data.derive), data.resize, data.draft, size_of(*size)]
    return [FORMAT, READING, _versions(), located(data.root), *sides, *reading]


def located(root: str) -> str:
    """The recipe's folder from wherever we are; an address is the same everywhere."""
    return root if is_address(root) else os.path.abspath(root)


def _side(side: SideTable) -> list[object]:
    # The range and the classes are applied to what the cache holds.
    return [side.channels, side.dtype, side.alpha, side.resample]


def _versions() -> list[str]:
    found = []
    for package in DECODERS:
        try:
            found.append(version(package))
        except PackageNotFoundError:
            found.append("none")
    return found


def _identity(picture: Picture, stated: dict[str, object]) -> bytes:
    if picture.path not in stated:
        stated[picture.path] = _stated(picture)
    place = (picture.path, picture.half, picture.member, picture.offset, picture.size)
    return repr((place, stated[picture.path])).encode("utf-8", "surrogateescape")


def _stated(picture: Picture) -> object:
    if picture.store is not None:
        return picture.store.version
    found = os.stat(picture.path)
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
