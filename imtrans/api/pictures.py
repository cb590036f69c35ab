"""Where pixels are: what a layout hands out, before anything is read."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

RESULTS = ".imtrans"  # an empty file of this name is in a folder that imtrans wrote
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".npy")


class Store(Protocol):
    """Where the bytes of pictures are, if not in a file of this machine. Picklable."""

    @property
    def version(self) -> str:
        """What tells versions of the file apart, as its length and its ETag; without asking."""
        ...

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes of the file. Raises ImtransError with the reason alone."""
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file, one half of it, a member of a tar file, or an image in memory."""

    path: str
    half: Literal["left", "right"] | None = None
    member: str | None = None  # its name in the tar file at `path`,
    offset: int = 0  # where its bytes start there,
    size: int = 0  # and how many they are
    content: bytes | None = None  # the bytes themselves; `path` is then only its name
    # What reads the member; None: `path` is a file of this machine.
    store: Store | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else self.path


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sides that belong together. The channels of several pictures on a side are concatenated.

    In a layout of targets only, `a` is empty: the source is derived from `b`.
    """

    name: str
    a: tuple[Picture, ...]
    b: tuple[Picture, ...]


class Layout(Protocol):
    """How pairs are stored below a folder.

    What may be added, as an attribute of the class or of the object:
    `paired = False` where the sides of a pair do not belong together (see `is_paired`);
    `has_sources = False` where pairs are targets alone (see `has_sources`);
    `reads_addresses = True` where the root may be an address, as `s3://bucket/folder`;
    `found_in(root, split)`, a classmethod: what below a folder looks like a split of this layout,
    as "trainA and trainB are there", or None. It is shown where another layout found nothing.
    """

    def pairs(self, split: str) -> Sequence[Pair]:
        """The pairs of a split, sorted by name.

        The sequence may build its pairs when they are asked for: a million need not be in
        memory. Raises ImtransError when there are none, or when a partner is missing, naming it.
        """
        ...

    def has(self, split: str) -> bool:
        """Whether this split is there at all."""
        ...


@dataclass(frozen=True)
class PairsSummary:
    """Many pairs in few files: each of the files once, and a digest of which bytes of which file
    make up which pair. A sequence of pairs may have a method `summary` that gives it, so that
    nobody looks at a million pairs to see whether they changed."""

    files: Sequence[Picture]
    digest: bytes


def summary_of(pairs: Sequence[Pair]) -> PairsSummary | None:
    """The summary of pairs, if they have one."""
    found: PairsSummary | None = pairs.summary() if hasattr(pairs, "summary") else None
    return found


def is_paired(layout: Layout) -> bool:
    """Whether the two sides of its pairs belong together; as a rule they do."""
    return bool(getattr(layout, "paired", True))


def has_sources(layout: Layout) -> bool:
    """Whether its pairs have both sides; else their sources are to be derived from the targets."""
    return bool(getattr(layout, "has_sources", True))


def find_images(folder: str | Path) -> list[str]:
    """Every image below a folder, as sorted relative paths with `/`. Hidden files are left out, and
    folders below it that hold results of a translation."""
    root = str(folder)
    return sorted(os.path.relpath(path, root).replace(os.sep, "/") for path in _walk(root))


def _walk(root: str) -> Iterator[str]:
    # Not by recursion: a tree may be deeper than Python calls functions.
    folders: list[tuple[str, frozenset[tuple[int, int]]]] = [(root, frozenset())]
    while folders:
        folder, above = folders.pop()
        found = os.stat(folder)
        here = (found.st_dev, found.st_ino)
        if here in above:
            continue  # a link to a folder above would be walked without end
        with os.scandir(folder) as found_entries:
            entries = list(found_entries)
        if above and any(entry.name == RESULTS and _is_empty(entry) for entry in entries):
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if _is_folder(entry):
                folders.append((entry.path, above | {here}))
            elif entry.name.lower().endswith(SUFFIXES):
                yield entry.path


def _is_empty(entry: "os.DirEntry[str]") -> bool:
    # In a folder that was fetched the file names the data set; in one of results it is empty.
    return entry.is_file() and not entry.stat().st_size


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; who opens it hears of it
        return False
