"""The ways to read a path as a name and a side: by a folder, by an end or a beginning, or both."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imtrans.api.layouts import without_suffix
from imtrans.data.families.words import SPLIT, TRAIN

MARK = "{split}"
TOKEN = re.compile(r"[^\W\d_]+|\d+|[\W_]")
LAST_LETTER = re.compile(r"(?<![^\W\d_])[^\W\d_]$")
FIRST_LETTER = re.compile(r"^[^\W\d_](?![^\W\d_])")
LONGEST = 6  # tokens of an end or a beginning, as the five of _leftImg8bit
LEAST = 0.02  # share of all images that an end or a beginning must have


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image's path in parts. In `folders` the word of a split is replaced by `{split}`."""

    path: str
    folders: tuple[str, ...]
    stem: str
    suffix: str
    split: str  # '' if none


class Label(NamedTuple):
    """What tells a side from the others; parts that are empty do not."""

    folder: str
    start: str
    end: str

    @property
    def text(self) -> str:
        return " ".join(filter(None, self))

    @property
    def parts(self) -> int:
        return sum(map(bool, self))

    @property
    def words(self) -> str:
        """What may say whether it is the source or the target."""
        # A single letter beside the rest of a name may be anything: the row of a well, as in A01.
        start, end = LAST_LETTER.sub("", self.start), FIRST_LETTER.sub("", self.end)
        return f"{self.folder} {start} {end}"

    @property
    def is_apart(self) -> bool:
        """Whether `_`, `-` and the like divide it from the rest of the name."""
        return not (self.start[-1:].isalnum() or self.end[:1].isalnum())

    @property
    def letters(self) -> str:
        return re.sub(r"[\W\d_]", "", self.text)


Key = tuple[str, ...]  # what is left of a path without its label: the same for partners


def in_parts(paths: Iterable[str]) -> list[NamedImage]:
    """The paths in parts; splits only if one of them is for training."""
    found = [_in_parts(path) for path in paths]
    if any(image.split.lower() in TRAIN for image in found):
        return found
    return [_in_parts(image.path, splits=False) for image in found]


def _in_parts(path: str, *, splits: bool = True) -> NamedImage:
    *folders, file = path.split("/")
    stem, split = without_suffix(file), ""
    for at, folder in enumerate(folders if splits else ()):
        if word := SPLIT.search(folder):
            split = word[0]
            folders[at] = f"{folder[: word.start()]}{MARK}{folder[word.end() :]}"
            break
    return NamedImage(path, tuple(folders), stem, file[len(stem) :], split)


def readings(
    image: NamedImage, starts: Sequence[str], ends: Sequence[str]
) -> Iterator[tuple[Label, Key]]:
    """Every label that the image may have, and the key that is left of its path."""
    names = [("", "", image.stem)]
    names += [(s, "", image.stem[len(s) :]) for s in starts if image.stem.startswith(s)]
    names += [("", e, image.stem[: -len(e)]) for e in ends if image.stem.endswith(e)]
    for folder in dict.fromkeys(("", *image.folders)):
        left = list(image.folders)
        if folder:
            left.remove(folder)
        for start, end, name in names:
            if name or left:
                yield Label(folder, start, end), (image.split, *left, name)


def common_affixes(images: Sequence[NamedImage]) -> tuple[list[str], list[str]]:
    """The beginnings and the ends that enough names share to be the label of a side."""
    starts: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for image in images:
        tokens = TOKEN.findall(image.stem)
        for count in range(1, min(len(tokens), LONGEST) + 1):
            starts["".join(tokens[:count])] += 1
            ends["".join(tokens[-count:])] += 1
    least = max(2, LEAST * len(images))
    return _labels(starts, least, 0), _labels(ends, least, -1)


def _labels(times: Counter[str], least: float, outside: int) -> list[str]:
    """Those with a letter that begin, or end, where a name may be divided."""
    inner = -1 - outside  # the letter beside the rest of the name
    return [
        text
        for text, number in times.most_common(40)
        if number >= least and re.search(r"[^\W\d_]", text) and not text[inner].isdigit()
    ]
