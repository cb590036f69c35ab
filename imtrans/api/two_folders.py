"""Two folders, A and B: where they are for a split. What layouts of two folders have in common."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from imtrans.api.errors import ImtransError, quoted
from imtrans.api.layouts import check_root, file_list, no_folder, without_suffix
from imtrans.api.pictures import find_images

MARK = "{split}"
STORED = ((f"{MARK}A", f"{MARK}B"), (f"A/{MARK}", f"B/{MARK}"))


class TwoFolders:
    """ROOT/trainA and ROOT/trainB, or ROOT/A/train and ROOT/B/train, or the folders `a` and `b`.

    In `a` and `b`, `{split}` is replaced by the split; a folder named without it has every split,
    and if both do, the only split is `train`.
    """

    name: ClassVar[str]  # of the layout, in errors

    def __init__(self, root: str, *, a: str = "", b: str = "") -> None:
        if bool(a) != bool(b):
            given, missing = ("a", "b") if a else ("b", "a")
            raise ImtransError(
                f"layout '{self.name}': '{given}' is given and '{missing}' is not. "
                "name both folders"
            )
        self.root, self.a, self.b = root, a, b

    def has(self, split: str) -> bool:
        if file_list(self.root, split):
            return True
        # One is enough: that the other is missing is an error, and must not go unnoticed.
        there = any(folder.is_dir() for sides in self._places(split) for folder in sides)
        return there and (split == "train" or not self._one_split)

    def folders(self, split: str) -> tuple[Path, Path, Path | None]:
        """The two folders of a split, and the file that lists its names, if it is a file list.

        Raises ImtransError when one of them is not there.
        """
        check_root(self.root)
        if listing := file_list(self.root, split):
            return *self._listed_folders(split), listing
        return *self._folders(split), None

    @property
    def _one_split(self) -> bool:
        return bool(self.a) and MARK not in self.a + self.b

    def _places(self, split: str) -> Iterator[tuple[Path, Path]]:
        """Where the two folders of a split may be."""
        for a, b in ((self.a, self.b),) if self.a else STORED:
            yield Path(self.root, a.replace(MARK, split)), Path(self.root, b.replace(MARK, split))

    def check_split(self, split: str) -> None:
        """Raise ImtransError when a split cannot be in `a` and `b`, as they are written."""
        check_root(self.root)
        if file_list(self.root, split):
            if MARK in self.a + self.b:
                raise self._split_of_a_list(self.a, self.b)
            return
        if split.endswith(".txt"):
            raise no_folder(Path(self.root, split))  # a file list
        if self._one_split and split != "train":
            listing = split.strip("./") or "train"
            raise ImtransError(
                f"layout '{self.name}': {quoted([self.a, self.b], ' and ')} hold the split 'train' "
                f"only; '{split}' is not there. put '{MARK}' where its name belongs, as in "
                f'a = "photos/{MARK}", or name a list of files: "{listing}.txt"'
            )

    def _folders(self, split: str) -> tuple[Path, Path]:
        self.check_split(split)
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
        raise no_folder(next(folder for folder in (part or places)[0] if not folder.is_dir()))

    def _listed_folders(self, split: str) -> tuple[Path, Path]:
        a, b = self.a or "A", self.b or "B"
        if MARK in a + b:
            raise self._split_of_a_list(a, b)
        folders = Path(self.root, a), Path(self.root, b)
        for folder in folders:
            if not folder.is_dir():
                raise no_folder(folder)
        return folders

    def _split_of_a_list(self, a: str, b: str) -> ImtransError:
        return ImtransError(
            f"layout '{self.name}': with a list of files, name 'a' and 'b' without '{MARK}'. "
            f"found {quoted([a, b], ' and ')}"
        )


def stored_folders(root: str, split: str) -> tuple[str, str] | None:
    """The two folders of a split where they have the usual names, relative to the root."""
    for sides in STORED:
        a, b = (side.replace(MARK, split) for side in sides)
        if Path(root, a).is_dir() and Path(root, b).is_dir():
            return a, b
    return None


def share_names(a: Path, b: Path) -> bool:
    """Whether any image of one folder has a partner of its name in the other, or one is empty."""
    names = [{without_suffix(path) for path in find_images(folder)} for folder in (a, b)]
    return not all(names) or not names[0].isdisjoint(names[1])
