"""The `[data]` table of a folder without a recipe, guessed from its files."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from imtrans.api.errors import ImtransError, did_you_mean, quoted
from imtrans.api.patterns import Pattern
from imtrans.api.pictures import Picture, find_images
from imtrans.api.two_folders import MARK, share_names, stored_folders
from imtrans.checking.data.as_stored import ENOUGH, headers_of
from imtrans.checking.data.guess_table import guess_table
from imtrans.checking.data.inspected_pair import same_shape
from imtrans.checking.data.seam import have_seams
from imtrans.data.families.find import Family, FamilySide, find_family
from imtrans.data.families.words import SPLITS, TRAIN, VALIDATION
from imtrans.data.pairs import VALIDATION_NAMES, spread

HALVES = 1.9  # width / height from which a picture is rather two halves than one photograph
SURE = 0.9  # share of images in pairs by name that outweighs two folders without a common name
FEW = 24  # pairs, or pictures, that are looked at


@dataclass(frozen=True)
class Guess:
    """The `[data]` table of a recipe, the reason for it, and what else it could be."""

    table: dict[str, Any]
    reason: str
    sides: tuple[str, ...] = ()  # what a person calls A and B; and further ones that are there
    known: bool = False  # whether their names say which is the source
    otherwise: str = ""  # what else it could be, and what to do then
    share: float = 1.0  # of the images that are in pairs


def guess(root: str, source: str | None = None) -> Guess:
    """How the pairs below a folder are stored, and which side is the source, if it is named.

    Raises ImtransError if no layout fits, or if there is no such side.
    """
    found = _guess(root, source)
    if source is None:
        return found
    sides = [side.lower() for side in found.sides[:2]]
    if source.lower() not in sides:
        there = quoted(found.sides) if found.sides else "none: sources are derived"
        near = did_you_mean(source, found.sides)
        raise ImtransError(f"{root}: no side '{source}'{near}; the sides are {there}")
    if sides.index(source.lower()):
        return replace(found, table={**found.table, "direction": "BtoA"})
    return found


def _guess(root: str, source: str | None) -> Guess:
    for found in _ways(root, source):
        if found:
            return replace(found, table={"root": root, **found.table})
    raise ImtransError(
        f"{root}: no pairs there: neither train, trainA and trainB, A and B, *.tar, *.csv nor "
        "images. give another folder, or a recipe"
    )


def _ways(root: str, source: str | None) -> Iterator[Guess | None]:
    """What the folder may hold, the surest first."""
    folders = _folders(root)
    paired = folders if folders and not _is_unpaired(folders) else None
    yield paired
    yield _shards(root)
    if table := guess_table(root, source):
        yield Guess(*table)
    by_name = _family(root, source)
    if by_name and not (folders and by_name.share < SURE):
        yield by_name
    yield folders
    yield _pictures(root)


def _is_unpaired(found: Guess) -> bool:
    layout = found.table["layout"]
    return (layout if isinstance(layout, str) else layout["name"]) == "unpaired"


def _folders(root: str) -> Guess | None:
    for split in (*TRAIN, *SPLITS):
        if sides := stored_folders(root, split):
            layout, reason = _of_two(root, *sides)
            return Guess({"layout": layout, "train": split}, reason, ("A", "B"))
    if Path(root, "A").is_dir() and Path(root, "B").is_dir():
        layout, reason = _of_two(root, "A", "B")
        return Guess({"layout": {"name": layout, "a": "A", "b": "B"}}, reason, ("A", "B"))
    return None


def _of_two(root: str, a: str, b: str) -> tuple[str, str]:
    """The layout of two folders, and the reason for it."""
    if share_names(Path(root, a), Path(root, b)):
        return "folders", f"it has {a} and {b}"
    return "unpaired", f"it has {a} and {b}, with no name in common"


def _shards(root: str) -> Guess | None:
    tars = sorted(path.name for path in Path(root).glob("*.tar"))
    if not tars:
        return None
    sides = "source", "target"
    reason = f"it has {tars[0]}"
    for split in SPLITS:
        if any(name.startswith(f"{split}-") for name in tars):
            return Guess({"layout": "shards", "train": split}, reason, sides, known=True)
        if f"{split}.tar" in tars:
            layout = {"name": "shards", "files": "{split}.tar"}
            return Guess({"layout": layout, "train": split}, reason, sides, known=True)
    return Guess({"layout": {"name": "shards", "files": "*.tar"}}, reason, sides, known=True)


def _family(root: str, source: str | None) -> Guess | None:
    """Pairs by their names."""
    paths = find_images(root)
    family = find_family(paths)
    if family is None:
        return None
    a, b = _chosen(family, source)
    if not _fit(root, paths, a, b):
        return None
    table: dict[str, Any] = {"layout": {"name": "folders", "a": a.pattern, "b": b.pattern}}
    train = [split for split in family.splits if split.lower() in TRAIN]
    if train and train[0] != "train":
        table["train"] = train[0]
    kept = [split for word in VALIDATION for split in family.splits if split.lower() == word]
    if kept and kept[0] not in VALIDATION_NAMES:
        table["validation"] = kept[0]
    others = tuple(side.word for side in family.sides if side not in (a, b))
    share = len(family.sides) * family.names / family.images
    return Guess(table, family.text, (a.word, b.word, *others), family.known, share=share)


def _chosen(family: Family, source: str | None) -> tuple[FamilySide, FamilySide]:
    """The two sides to learn from: the first two, or a further one that is named the source."""
    a, b, *others = family.sides
    named = [side for side in others if source and side.word.lower() == source.lower()]
    return (named[0], b) if named else (a, b)


def _fit(root: str, paths: Sequence[str], a: FamilySide, b: FamilySide) -> bool:
    """Whether the two pictures of most pairs have one shape, as far as they can be read."""
    patterns = [Pattern("", side.pattern.replace(MARK, "*")) for side in (a, b)]
    sides = []
    for pattern in patterns:
        below = "" if str(pattern.folder) == "." else f"{pattern.folder.as_posix()}/"
        inside = (path.removeprefix(below) for path in paths if path.startswith(below))
        sides.append({found.whole: below + path for path, found in pattern.matches(inside)})
    names = sorted(sides[0].keys() & sides[1].keys())
    fitting = []
    for at in spread(len(names), FEW):
        pictures = [Picture(str(Path(root, side[names[at]]))) for side in sides]
        found = list(headers_of(pictures))
        if len(found) == 2:
            fitting.append(same_shape(found[0].size, found[1].size))
    return not fitting or 2 * sum(fitting) > len(fitting)


def _pictures(root: str) -> Guess | None:
    there = sorted(path.name for path in Path(root).iterdir() if path.is_dir())
    split = next((name for word in SPLITS for name in there if name.lower() == word), ".")
    images = find_images(Path(root, split))
    if not images:
        return None
    where = f"it has images{'' if split == '.' else f' in {split}'}"
    some = [Picture(str(Path(root, split, images[at]))) for at in spread(len(images), ENOUGH)]
    ratios = [found.size[0] / found.size[1] for found in headers_of(some)]
    ratio = statistics.median(ratios) if ratios else HALVES
    if ratio < HALVES and (ratio <= 1 or not have_seams(some[:FEW])):
        # Not two halves. The derivation is a placeholder, so that the photographs can be checked.
        shape = "not wider than high" if ratio <= 1 else "without a seam in the middle"
        return Guess(
            {"layout": "photos", "derive": "grayscale", "train": split},
            f"{where}, most of them {shape}",
            otherwise="if each is a pair, A | B in one file, set data.layout = "
            '"side_by_side" and leave data.derive out',
        )
    return Guess(
        {"layout": "side_by_side", "train": split},
        f"{where}, each two halves",
        ("left", "right"),
        otherwise='if they are single photographs, set data.layout = "photos" and data.derive = '
        '"grayscale"',
    )
