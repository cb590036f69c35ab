"""Pairs stored as two files of one name, in two folders.

Matched by name, never by order: one file too many would shift every pair after it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.errors import ImtransError, some
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layouts import (
    Column,
    FilePairs,
    MissingPartners,
    Texts,
    chosen,
    images_below,
    without_suffix,
)
from imtrans.api.pictures import Pair
from imtrans.api.two_folders import MARK, TwoFolders, share_names, stored_folders


@hookimpl
def register_layouts(register: Register) -> None:
    register("folders", Folders)


@dataclass(frozen=True, slots=True)
class SideFolder:
    """One of the two folders, and its images by name."""

    folder: Path
    files: dict[str, str]

    def column(self, names: Iterable[str]) -> Column:
        return Column(str(self.folder), Texts(self.files[name] for name in names))


class Folders(TwoFolders):
    """ROOT/trainA and ROOT/trainB, or ROOT/A/train and ROOT/B/train, or the folders `a` and `b`.

    Images belong together that have the same path there; the extension may differ (a.jpg, a.png).
    In `a` and `b`, `{split}` is replaced by the split; a folder named without it has every split,
    and if both do, the only split is `train`. A split that ends in `.txt` is a file below ROOT: a
    list of names in `a` and `b`, or in ROOT/A and ROOT/B.
    """

    name = "folders"

    @classmethod
    def found_in(cls, root: str, split: str) -> str | None:
        sides = stored_folders(root, split)
        if sides is None or not share_names(*(Path(root, side) for side in sides)):
            return None
        return f"{sides[0]} and {sides[1]} are there"

    def pairs(self, split: str) -> Sequence[Pair]:
        folder_a, folder_b, listing = self.folders(split)
        a, b = (SideFolder(folder, _by_name(folder)) for folder in (folder_a, folder_b))
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
            raise _without_partners(a, b, orphans, pairs)
        return pairs


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
        count = f"{len(twice)} names appear" if len(twice) > 1 else "a name appears"
        raise ImtransError(
            f"{folder}: {count} twice: {some(twice)}. "
            "pairs are matched by name without extension: remove one of each"
        )
    return found


def _orphans(side: SideFolder, other: SideFolder, names: Iterable[str]) -> list[str]:
    """The images under these names whose partner on the other side is missing."""
    return sorted(side.files[n] for n in names if n in side.files and n not in other.files)


def _without_partners(
    a: SideFolder, b: SideFolder, orphans: dict[Path, list[str]], pairs: Sequence[Pair]
) -> MissingPartners:
    """What is said of orphans, by their folder."""
    sentences, rows = [], []
    for side, other in ((a, b), (b, a)):
        files = orphans[side.folder]
        if files:
            count = f"{len(files)} images have" if len(files) > 1 else "1 image has"
            sentences.append(f"{side.folder}: {count} no partner in {other.folder}: {some(files)}")
        rows += [(str(side.folder / file), f"no partner in {other.folder}") for file in files]
    return MissingPartners(". ".join([*sentences, _remedy(a, b)]), rows, pairs)


def _remedy(a: SideFolder, b: SideFolder) -> str:
    if a.files.keys() & b.files.keys():
        return "add the missing files, or remove these"
    return (
        "no name is on both sides: give partners the same name, pair them in a table "
        '(layout = "table"), or learn without pairs (layout = "unpaired")'
    )
