"""Find the family of names in a list of paths: what tells the sides apart, and who are partners.

Every path is read in all ways (imtrans.data.families.readings): as a label and the key that is
left. Two labels under which the same keys are found are the two sides.
"""

import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from imtrans.data.families.pattern_of import pattern_of
from imtrans.data.families.readings import (
    Key,
    Label,
    NamedImage,
    common_affixes,
    in_parts,
    readings,
)
from imtrans.data.families.words import roles

MOST = 20_000  # images whose names are compared
LABELS = 60  # that may be sides, most frequent first
NAMED, UNNAMED = 0.5, 0.9  # share of images in pairs: if a side has a known word, and if not
SIDES = 3  # at most, if no side has a known word: more are something else, as the wells of a plate
FEWEST = 2  # names with all sides
BESIDE = 0.8  # share of the pairs that a further side must have too

Images = dict[Key, NamedImage]


@dataclass(frozen=True)
class FamilySide:
    """One side: what tells it from the others, and the pattern of its files."""

    word: str  # as 'he' or 'labels'
    pattern: str  # as '{name}_he.png'


@dataclass(frozen=True)
class Family:
    """Images that come in pairs by their names; the side that is usually the source is first."""

    sides: tuple[FamilySide, ...]
    names: int  # that the first two sides have both
    images: int  # among which they were found: of very many, some
    total: int  # images there are
    splits: tuple[str, ...]  # what `{split}` is
    known: bool  # whether the words say which side is the source

    @property
    def text(self) -> str:
        """`50 names come in pairs: {name}_he.png and {name}_ihc.png`"""
        patterns = [side.pattern for side in self.sides]
        listed = f"{', '.join(patterns[:-1])} and {patterns[-1]}"
        come = "come in pairs" if len(patterns) == 2 else f"have {len(patterns)} files each"
        most = f"{self.names:,}" if self.images == self.total else "most"
        return f"{most} names {come}: {listed}"


class _Couple(NamedTuple):
    a: Label
    b: Label
    keys: frozenset[Key]


def find_family(paths: Iterable[str]) -> Family | None:
    """The family of these paths, relative to a folder, or None if their names show no pairs."""
    listed = list(paths)
    images = in_parts(_some(listed))
    found = _by_label(images)
    couples = [couple for couple in _couples(found) if _is_family(couple, found, len(images))]
    if not couples:
        return None
    best = max(couples, key=lambda couple: _rank(couple, found, len(images)))
    return _family(best, found, images, len(listed))


def _some(paths: list[str]) -> list[str]:
    """Of very many, those whose digits have certain sums: partners have the same digits."""
    parts = -(-len(paths) // MOST)
    if parts <= 1:
        return paths
    return [p for p in paths if zlib.crc32(re.sub(r"\D", "", p).encode()) % parts == 0]


def _by_label(images: Sequence[NamedImage]) -> dict[Label, Images]:
    """The images under every label that enough of them have, by their keys."""
    starts, ends = common_affixes(images)
    found: dict[Label, Images] = defaultdict(dict)
    for image in images:
        for label, key in readings(image, starts, ends):
            found[label].setdefault(key, image)
    frequent = sorted(found, key=lambda label: (-len(found[label]), label))[:LABELS]
    return {label: found[label] for label in frequent if len(found[label]) >= FEWEST}


def _couples(found: dict[Label, Images]) -> Iterator[_Couple]:
    for a, b in combinations(found, 2):
        keys = found[a].keys() & found[b].keys()
        if len(keys) >= FEWEST and all(found[a][key] is not found[b][key] for key in keys):
            yield _Couple(a, b, frozenset(keys))


def _is_family(couple: _Couple, found: dict[Label, Images], total: int) -> bool:
    if any(roles(couple.a.words, couple.b.words)):
        return _share(couple, found, total) >= NAMED
    numbered = couple.a.letters == couple.b.letters
    if numbered and (couple.a.folder or couple.b.folder or not couple.a.letters):
        return False  # 2021/ and 2022/, or sub-01/ and sub-02/, are no sides; _w1 and _w2 are
    few = 2 + len(_beside(couple, found)) <= SIDES
    return few and _share(couple, found, total) >= UNNAMED


def _share(couple: _Couple, found: dict[Label, Images], total: int) -> float:
    """The share of all images that are of these sides, or of further ones of the same names."""
    return (2 + len(_beside(couple, found))) * len(couple.keys) / total


def _beside(couple: _Couple, found: dict[Label, Images]) -> list[Label]:
    """Further sides of the same names."""
    taken = {id(found[label][key]) for label in couple[:2] for key in couple.keys}
    sides = []
    for label, images in found.items():
        shared = [key for key in couple.keys if key in images]
        new = {id(images[key]) for key in shared} - taken
        if label not in couple[:2] and len(new) >= BESIDE * len(couple.keys):
            taken |= new
            sides.append(label)
    return sides


def _rank(couple: _Couple, found: dict[Label, Images], total: int) -> tuple[float, ...]:
    """Which of several readings is best: known words, then most images, then the simplest."""
    a, b = roles(couple.a.words, couple.b.words)
    return (
        min(a, b) < 0 < max(a, b),
        bool(a or b),
        round(_share(couple, found, total), 2),
        len(couple.keys) / total,
        abs(a - b),
        couple.a.is_apart and couple.b.is_apart,
        -couple.a.parts - couple.b.parts,
        len(couple.a.text) + len(couple.b.text),
    )


def _family(
    couple: _Couple, found: dict[Label, Images], images: Sequence[NamedImage], total: int
) -> Family:
    a, b = roles(couple.a.words, couple.b.words)
    in_order = a > b or (a == b and couple.a.text < couple.b.text)
    labels = [
        *((couple.a, couple.b) if in_order else (couple.b, couple.a)),
        *_beside(couple, found),
    ]
    words = _words(labels)
    sides = tuple(
        FamilySide(word, pattern_of([found[at][k] for k in couple.keys if k in found[at]], at))
        for word, at in zip(words, labels, strict=True)
    )
    splits = tuple(sorted({image.split for image in images} - {""}))
    return Family(sides, len(couple.keys), len(images), total, splits, a != b)


def _words(labels: Sequence[Label]) -> list[str]:
    """What a person calls each side: its folder if that is its own, else what differs of its
    names."""
    folders = [label.folder.replace("{split}", "").strip("_-. ") for label in labels]
    if all(folders) and len(set(folders)) == len(folders):
        return folders
    names = [re.split(r"[_\-. ]+", f"{label.start}{label.end}".strip("_-. ")) for label in labels]
    while all(len(name) > 1 for name in names) and len({name[0] for name in names}) == 1:
        names = [name[1:] for name in names]
    while all(len(name) > 1 for name in names) and len({name[-1] for name in names}) == 1:
        names = [name[:-1] for name in names]
    words = ["_".join(name) for name in names]
    return [word or folder or "plain" for word, folder in zip(words, folders, strict=True)]
