"""The published sets, as the authors of pix2pix and CycleGAN serve them, and the recipes for each.

Every archive holds one folder NAME. pix2pix: NAME.tar.gz with train, val, test, of images side by
side. CycleGAN: NAME.zip with trainA, trainB, testA, testB, unpaired.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from imtrans.api.errors import ImtransError, did_you_mean, quoted
from imtrans.host.foreign import reading

SERVER = "http://efrosgans.eecs.berkeley.edu"
MB, MIB = 10**6, 2**20


@dataclass(frozen=True)
class Kind:
    """A kind of archive: how its name ends, and how its bytes begin."""

    suffix: str
    start: bytes
    folder: str  # of the archives on the server


TAR_GZ = Kind(".tar.gz", b"\x1f\x8b", "pix2pix/datasets")
ZIP = Kind(".zip", b"PK\x03\x04", "cyclegan/datasets")


@dataclass(frozen=True)
class PublishedSet:
    """One archive. `size` (bytes, packed) and `images` are near, not exact: they bound both."""

    name: str
    size: int
    images: int
    splits: tuple[str, ...]
    recipes: tuple[str, ...]
    kind: Kind = TAR_GZ

    @property
    def archive(self) -> str:
        return f"{self.name}{self.kind.suffix}"

    @property
    def folder(self) -> str:
        """Where the recipes look for it."""
        return f"datasets/{self.name}"

    def address(self, mirror: str | None = None) -> str:
        """Where it is fetched from; a mirror is a base address, or that of the archive itself."""
        if mirror is None:
            return f"{SERVER}/{self.kind.folder}/{self.archive}"
        with reading(f"--mirror '{mirror}'", "is no address"):
            parts = urlsplit(mirror)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ImtransError(
                f"--mirror '{mirror}' is no http or https address; "
                "write it as in --mirror https://example.org/pix2pix"
            )
        if parts.query or PurePosixPath(parts.path).suffix in (".gz", ".tgz", ".zip"):
            return mirror
        return f"{mirror.rstrip('/')}/{self.archive}"


def _unpaired(name: str, size: int, images: int, *recipes: str) -> PublishedSet:
    return PublishedSet(name, size, images, ("trainA", "trainB", "testA", "testB"), recipes, ZIP)


# Sizes: what the server said for facades and maps, its listings for the others. Numbers of images:
# the papers and the issues of their code.
SETS = {
    published.name: published
    for published in (
        PublishedSet(
            "facades",
            30 * MB,
            606,
            ("train", "val", "test"),
            (
                "facades",
                "facades_photo2label",
                "facades_plus",
                "facades_photo2label_plus",
                "facades_hd",
                "facades_bridge",
            ),
        ),
        PublishedSet(
            "maps",
            250 * MB,
            2194,
            ("train", "val"),
            ("maps", "maps_plus", "map2satellite", "maps_unpaired"),
        ),
        PublishedSet(
            "edges2shoes",
            2200 * MB,
            50_025,
            ("train", "val"),
            ("edges2shoes", "edges2shoes_plus", "edges2shoes_bridge"),
        ),
        PublishedSet("edges2handbags", 8600 * MB, 138_767, ("train", "val"), ("edges2handbags",)),
        PublishedSet("night2day", 2000 * MB, 20_120, ("train", "val", "test"), ("day2night",)),
        _unpaired("horse2zebra", 111 * MIB, 2661, "horse2zebra"),
        _unpaired("apple2orange", 75 * MIB, 2528),
        _unpaired("summer2winter_yosemite", 126 * MIB, 2740),
        _unpaired("monet2photo", 291 * MIB, 8231, "monet2photo"),
        _unpaired("cezanne2photo", 267 * MIB, 7621),
        _unpaired("ukiyoe2photo", 279 * MIB, 7863),
        _unpaired("vangogh2photo", 292 * MIB, 7838),
        _unpaired("iphone2dslr_flower", 324 * MIB, 6186),
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
