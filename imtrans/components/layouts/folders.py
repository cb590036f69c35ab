"""Pairs stored as two files of one name: in two folders, or under two patterns.

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
    MissingSplit,
    Texts,
    chosen,
    file_list,
    images_below,
    no_folder,
    without_suffix,
)
from imtrans.api.patterns import Pattern, is_pattern
from imtrans.api.pictures import Pair, find_images
from imtrans.api.two_folders import MARK, TwoFolders, share_names, stored_folders


@hookimpl
def register_layouts(register: Register) -> None:
    register("folders", Folders)


@dataclass(frozen=True, slots=True)
class StoredSide:
    """One side: where it is, as errors say it, and its images below a folder, by name."""

    place: str
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

    `a` and `b` may also be patterns: a = "{name}_he.png", b = "{name}_ihc.png". Partners have the
    same `{name}`, and the same folders for `*` and `**/` where both patterns have these alike.
    """

    name = "folders"

    @classmethod
    def found_in(cls, root: str, split: str) -> str | None:
        sides = stored_folders(root, split)
        if sides is None or not share_names(*(Path(root, side) for side in sides)):
            return None
        return f"{sides[0]} and {sides[1]} are there"

    def has(self, split: str) -> bool:
        if not self._has_patterns or file_list(self.root, split):
            return super().has(split)
        if not Path(self.root).is_dir() or (split != "train" and self._one_split):
            return False
        return any(_is_there(self.root, side.replace(MARK, split)) for side in (self.a, self.b))

    def pairs(self, split: str) -> Sequence[Pair]:
        a, b, listing = self._sides(split)
        if listing:
            names = chosen(listing, a.files.keys() | b.files.keys())
            orphans = _orphans(a, b, names), _orphans(b, a, names)
        else:
            names = sorted(a.files.keys() & b.files.keys())
            # A folder that serves every split, beside one that does not, holds other partners too.
            orphans = (
                [] if _is_wider(self.a, self.b) else _orphans(a, b, a.files),
                [] if _is_wider(self.b, self.a) else _orphans(b, a, b.files),
            )
        whole = [name for name in names if name in a.files and name in b.files]
        pairs = FilePairs(whole, [a.column(whole)], [b.column(whole)])
        if any(orphans):
            raise _without_partners((a, b), orphans, pairs)
        return pairs

    @property
    def _has_patterns(self) -> bool:
        return is_pattern(self.a) or is_pattern(self.b)

    def _sides(self, split: str) -> tuple[StoredSide, StoredSide, Path | None]:
        """Both sides of a split, and the file that lists its names, if it is a file list."""
        if not self._has_patterns:
            folder_a, folder_b, listing = self.folders(split)
            if folder_a.resolve() == folder_b.resolve():
                raise _same_files(self.a, self.b, str(folder_a))
            return _in_folder(folder_a), _in_folder(folder_b), listing
        self.check_split(split)
        listing = file_list(self.root, split)
        sides = [side.replace(MARK, split) for side in (self.a, self.b)]
        patterns = [Pattern(self.root, side) if is_pattern(side) else None for side in sides]
        a, b = patterns
        if a and b:
            return *_by_patterns(a, b), listing
        one, other = (
            _by_pattern(pattern, together=False) if pattern else _in_folder(Path(self.root, side))
            for pattern, side in zip(patterns, sides, strict=True)
        )
        return one, other, listing


def _is_there(root: str, side: str) -> bool:
    """Whether a folder is there, or a file of a pattern."""
    if not is_pattern(side):
        return Path(root, side).is_dir()
    pattern = Pattern(root, side)
    return pattern.folder.is_dir() and any(pattern.matches(find_images(pattern.folder)))


def _is_wider(side: str, other: str) -> bool:
    return bool(side) and MARK not in side and MARK in other


def _images(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise no_folder(folder)
    return images_below(folder)


def _in_folder(folder: Path) -> StoredSide:
    """All images below a folder, by their paths without suffix."""
    named = ((without_suffix(path), path) for path in _images(folder))
    return StoredSide(str(folder), folder, _by_name(str(folder), named))


def _by_patterns(a: Pattern, b: Pattern) -> tuple[StoredSide, StoredSide]:
    """Both sides; a file that fits both patterns belongs to the one that says more of its name."""
    together = a.wildcards == b.wildcards
    one, other = (
        _by_pattern(pattern, together=together, unless=rival) for pattern, rival in ((a, b), (b, a))
    )
    both = {str(one.folder / file) for file in one.files.values()}
    both &= {str(other.folder / file) for file in other.files.values()}
    if both:
        raise _same_files(a.text, b.text, some(sorted(both), 3))
    return one, other


def _by_pattern(pattern: Pattern, *, together: bool, unless: Pattern | None = None) -> StoredSide:
    """The images that fit a pattern and do not fit a rival better. With `together`, the folders
    that its wildcards mean are part of the names."""
    images = _images(pattern.folder)
    named = [
        (found.whole if together else found.name, path)
        for path, found in pattern.matches(images)
        if unless is None or not _fits_better(unless, pattern, path)
    ]
    if not named:
        raise MissingSplit(
            f"{pattern.shown}: no image has such a name", f"there are {some(images, 3)}"
        )
    return StoredSide(pattern.shown, pattern.folder, _by_name(pattern.shown, named))


def _fits_better(rival: Pattern, pattern: Pattern, path: str) -> bool:
    if rival.literals <= pattern.literals:
        return False
    whole = pattern.folder / path
    return whole.is_relative_to(rival.folder) and bool(
        rival.match(whole.relative_to(rival.folder).as_posix())
    )


def _same_files(a: str, b: str, files: str) -> MissingSplit:
    return MissingSplit(
        f"layout 'folders': a = '{a}' and b = '{b}' are the same files ({files}): source and "
        "target would be one picture",
        "name what is the source and what the target",
    )


def _by_name(place: str, named: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The paths of images by their names; ImtransError where two have one name."""
    found: dict[str, str] = {}
    twice: list[str] = []
    for name, path in named:
        if name in found:
            twice.append(f"{found[name]} and {path}")
        found[name] = path
    if twice:
        count = f"{len(twice)} names appear" if len(twice) > 1 else "a name appears"
        remedy = (
            "pairs are matched by {name}: make the pattern narrower, or remove one of each"
            if is_pattern(place)
            else "pairs are matched by name without extension: remove one of each"
        )
        raise ImtransError(f"{place}: {count} twice: {some(twice)}. {remedy}")
    return found


def _orphans(side: StoredSide, other: StoredSide, names: Iterable[str]) -> list[str]:
    """The images under these names whose partner on the other side is missing."""
    return sorted(side.files[n] for n in names if n in side.files and n not in other.files)


def _without_partners(
    sides: tuple[StoredSide, StoredSide],
    orphans: tuple[list[str], list[str]],
    pairs: Sequence[Pair],
) -> MissingPartners:
    """What is said of the orphans of both sides."""
    sentences, rows = [], []
    for side, other, files in zip(sides, reversed(sides), orphans, strict=True):
        if files:
            count = f"{len(files)} images have" if len(files) > 1 else "1 image has"
            sentences.append(f"{side.place}: {count} no partner in {other.place}: {some(files)}")
        rows += [(str(side.folder / file), f"no partner in {other.place}") for file in files]
    return MissingPartners(". ".join([*sentences, _remedy(*sides)]), rows, pairs)


def _remedy(a: StoredSide, b: StoredSide) -> str:
    if a.files.keys() & b.files.keys():
        return "add the missing files, or remove these"
    return (
        "no name is on both sides: give partners the same name, name what they share with a "
        'pattern (a = "{name}_in.png", b = "{name}_out.png"), pair them in a table '
        '(layout = "table"), or learn without pairs (layout = "unpaired")'
    )
