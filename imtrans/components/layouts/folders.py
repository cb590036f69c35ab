"""Pairs stored as two files of one name, in two folders.

Matched by name, never by order: one file too many would shift every pair after it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.errors import ImtransError, quoted, some
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layouts import (
    Column,
    FilePairs,
    Texts,
    Unpaired,
    check_root,
    chosen,
    file_list,
    images_below,
    no_folder,
    without_suffix,
)
from imtrans.api.pictures import Pair

MARK = "{split}"
STORED = ((f"{MARK}A", f"{MARK}B"), (f"A/{MARK}", f"B/{MARK}"))


@hookimpl
def register_layouts(register: Register) -> None:
    register("folders", Folders)


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two folders, and its images by name."""

    folder: Path
    files: dict[str, str]

    def column(self, names: Iterable[str]) -> Column:
        return Column(str(self.folder), Texts(self.files[name] for name in names))


class Folders:
    """ROOT/trainA and ROOT/trainB, or ROOT/A/train and ROOT/B/train, or the folders `a` and `b`.

    Images belong together that have the same path there; the suffix may differ. In `a` and `b`,
    `{split}` stands for the split; a folder named without it serves every split, and if both do,
    the only split is `train`. A split that ends in `.txt` is a file below ROOT: a list of names
    in `a` and `b`, or in ROOT/A and ROOT/B.
    """

    def __init__(self, root: str, *, a: str = "", b: str = "") -> None:
        if bool(a) != bool(b):
            given, missing = ("a", "b") if a else ("b", "a")
            raise ImtransError(
                f"layout 'folders': '{given}' is given and '{missing}' is not. name both folders"
            )
        self.root, self.a, self.b = root, a, b

    def has(self, split: str) -> bool:
        if file_list(self.root, split):
            return True
        # One is enough: that the other is missing should be told, not passed over.
        there = any(folder.is_dir() for sides in self._places(split) for folder in sides)
        return there and (split == "train" or not self._one_split)

    def pairs(self, split: str) -> Sequence[Pair]:
        check_root(self.root)
        listing = file_list(self.root, split)
        folders = self._listed_folders(split) if listing else self._folders(split)
        a, b = (Side(folder, _by_name(folder)) for folder in folders)
        if listing:
            names = chosen(listing, a.files.keys() | b.files.keys())
            orphans = {a.folder: _orphans(a, b, names), b.folder: _orphans(b, a, names)}
        else:
            names = sorted(a.files.keys() & b.files.keys())
            # A folder that serves every split, beside one that does not, holds other partners too.
            orphans = {
                a.folder: [] if _is_wider(self.a, self.b) else _orphans(a, b, a.files),
                b.folder: [] if _is_wider(self.b, self.a) else _orphans(b, a, b.files),
            }
        whole = [name for name in names if name in a.files and name in b.files]
        pairs = FilePairs(whole, [a.column(whole)], [b.column(whole)])
        if any(orphans.values()):
            raise _unpaired(a, b, orphans, pairs)
        return pairs

    @property
    def _one_split(self) -> bool:
        return bool(self.a) and MARK not in self.a + self.b

    def _places(self, split: str) -> Iterator[tuple[Path, Path]]:
        """Where the two folders of a split may be."""
        for a, b in ((self.a, self.b),) if self.a else STORED:
            yield Path(self.root, a.replace(MARK, split)), Path(self.root, b.replace(MARK, split))

    def _folders(self, split: str) -> tuple[Path, Path]:
        if split.endswith(".txt"):
            raise no_folder(self.root, Path(self.root, split), "folders", split)  # a file list
        if self._one_split and split != "train":
            raise ImtransError(
                f"layout 'folders': {quoted([self.a, self.b], ' and ')} hold the split 'train' "
                f"only; '{split}' is not there. put '{MARK}' where its name belongs, as in "
                f'a = "photos/{MARK}", or name a list of files: "{split}.txt"'
            )
        places = list(self._places(split))
        whole = [sides for sides in places if all(folder.is_dir() for folder in sides)]
        if len(whole) > 1:
            both = " and ".join(str(sides[0].relative_to(self.root)) for sides in whole)
            raise ImtransError(
                f"{self.root}: {both} are both there. "
                f'name the folders: a = "{MARK}A", b = "{MARK}B"'
            )
        if whole:
            return whole[0]
        part = [sides for sides in places if any(folder.is_dir() for folder in sides)]
        missing = next(folder for folder in (part or places)[0] if not folder.is_dir())
        raise no_folder(self.root, missing, "folders", split)

    def _listed_folders(self, split: str) -> tuple[Path, Path]:
        a, b = self.a or "A", self.b or "B"
        if MARK in a + b:
            raise ImtransError(
                f"layout 'folders': with a list of files, name 'a' and 'b' without '{MARK}'. "
                f"found {quoted([a, b], ' and ')}"
            )
        folders = Path(self.root, a), Path(self.root, b)
        for folder in folders:
            if not folder.is_dir():
                raise no_folder(self.root, folder, "folders", split)
        return folders


def _is_wider(side: str, other: str) -> bool:
    return bool(side) and MARK not in side and MARK in other


def _by_name(folder: Path) -> dict[str, str]:
    """The images below a folder: their names without suffix, and their paths."""
    found: dict[str, str] = {}
    twice: list[str] = []
    for path in images_below(folder):
        name = without_suffix(path)
        if name in found:
            twice.append(f"{found[name]} and {path}")
        found[name] = path
    if twice:
        count = f"{len(twice)} names stand" if len(twice) > 1 else "a name stands"
        raise ImtransError(
            f"{folder}: {count} there twice: {some(twice)}. "
            "pairs are matched by name without suffix: remove one of each"
        )
    return found


def _orphans(side: Side, other: Side, names: Iterable[str]) -> list[str]:
    """The images under these names whose partner on the other side is missing."""
    return sorted(side.files[n] for n in names if n in side.files and n not in other.files)


def _unpaired(a: Side, b: Side, orphans: dict[Path, list[str]], pairs: Sequence[Pair]) -> Unpaired:
    """What is told of orphans, by the folder that they lie in."""
    sentences, rows = [], []
    for side, other in ((a, b), (b, a)):
        files = orphans[side.folder]
        if files:
            count = f"{len(files)} images have" if len(files) > 1 else "1 image has"
            sentences.append(f"{side.folder}: {count} no partner in {other.folder}: {some(files)}")
        rows += [(str(side.folder / file), f"no partner in {other.folder}") for file in files]
    return Unpaired(". ".join([*sentences, _remedy(a, b)]), rows, pairs)


def _remedy(a: Side, b: Side) -> str:
    if a.files.keys() & b.files.keys():
        return "add the missing files, or remove these"
    return (
        "no name is on both sides: give partners the same name, or pair them in a table: "
        'layout = "table"'
    )
