"""The published sets of pairs, as the authors of pix2pix serve them, and the recipes for each.

Every archive NAME.tar.gz holds one folder NAME with the splits in it, of images side by side.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from imtrans.api.errors import ImtransError, did_you_mean, quoted

BASE = "http://efrosgans.eecs.berkeley.edu/pix2pix/datasets"
MB = 10**6


@dataclass(frozen=True)
class PublishedSet:
    """One archive. `size` (bytes, packed) and `images` are near, not exact: they bound both."""

    name: str
    size: int
    images: int
    splits: tuple[str, ...]
    recipes: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Where the recipes look for it."""
        return f"datasets/{self.name}"

    def address(self, mirror: str | None = None) -> str:
        """Where it is fetched from; a mirror is a base address, or that of the archive itself."""
        if mirror is None:
            return f"{BASE}/{self.name}.tar.gz"
        parts = urlsplit(mirror)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ImtransError(
                f"--mirror '{mirror}' is no http or https address; "
                "write it as in --mirror https://example.org/pix2pix"
            )
        if parts.query or PurePosixPath(parts.path).suffix in (".gz", ".tgz"):
            return mirror
        return f"{mirror.rstrip('/')}/{self.name}.tar.gz"


# Sizes: what the server said for facades and maps, its listing for the others. Numbers of images:
# the paper and the issues of its code.
SETS = {
    published.name: published
    for published in (
        PublishedSet(
            "facades", 30 * MB, 606, ("train", "val", "test"), ("facades", "facades_photo2label")
        ),
        PublishedSet(
            "maps", 250 * MB, 2194, ("train", "val"), ("maps", "map2satellite", "maps_unpaired")
        ),
        PublishedSet("edges2shoes", 2200 * MB, 50_025, ("train", "val"), ("edges2shoes",)),
        PublishedSet("edges2handbags", 8600 * MB, 138_767, ("train", "val"), ("edges2handbags",)),
        PublishedSet("night2day", 2000 * MB, 20_120, ("train", "val", "test"), ("day2night",)),
    )
}


def published(name: str) -> PublishedSet:
    """The set of this name. Raises ImtransError saying which ones there are."""
    if name in SETS:
        return SETS[name]
    if name.startswith("cityscapes"):
        raise ImtransError(
            f"'{name}' cannot be fetched: its licence asks everybody to register at "
            "https://www.cityscapes-dataset.com. put pairs made from it into datasets/cityscapes"
        )
    for known in SETS.values():
        if name in known.recipes:
            raise ImtransError(
                f"no published set '{name}'; the recipe of this name trains on '{known.name}': "
                f"imtrans data fetch {known.name}"
            )
    near = did_you_mean(name, SETS) or f"; there are {quoted(SETS)}"
    raise ImtransError(f"no published set '{name}'{near}")
