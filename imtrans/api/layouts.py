"""What layouts share: pairs built when they are asked for, names, file lists, and remedies.

A plugin's layout may use it too.
"""

import hashlib
import os
import posixpath
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import Literal, overload

from imtrans.api.addresses import is_address
from imtrans.api.errors import ImtransError, did_you_mean, quoted, some
from imtrans.api.pictures import SUFFIXES, Pair, Picture, find_images


class MissingPartners(ImtransError):
    """Partners are missing: training refuses all of it, a check goes on with what is whole."""

    def __init__(
        self,
        message: str,
        orphans: Sequence[tuple[str, str]] = (),
        pairs: Sequence[Pair] = (),
        *,
        explained: bool = False,
    ) -> None:
        super().__init__(message)
        self.explained = explained  # the message says why there are no pairs at all
        self.orphans = orphans  # what has no partner, and what it misses
        self.pairs = pairs


class MissingRoot(ImtransError):
    """The recipe's folder is not there."""

    def __init__(self, root: str) -> None:
        super().__init__(
            f"{root}: no such folder. put the pairs there, or name their folder with "
            "--set data.root=FOLDER"
        )
        self.root = root


class MissingSplit(ImtransError):
    """A split is not where the layout looks for it. `what` says so, without any remedy: whoever
    knows all layouts may name another one that finds it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}. {remedy}")
        self.what = what


class Texts:
    """Many texts as one: a million of them are two objects, small in memory and quick to pickle."""

    __slots__ = ("_bytes", "_ends")

    def __init__(self, texts: Iterable[str]) -> None:
        # File names may hold bytes that are no UTF-8; Python writes these as lone surrogates.
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        self._bytes = b"".join(encoded)
        self._ends = array("Q", accumulate(map(len, encoded)))

    @classmethod
    def joined(cls, content: bytes, ends: "array[int]") -> "Texts":
        """Texts that are one behind another already, as file systems encode names; `ends` says
        where each of them ends."""
        if not content.isascii():
            starts = [0, *ends[:-1]]
            parts = (content[start:end] for start, end in zip(starts, ends, strict=True))
            return cls(part.decode("utf-8", "surrogateescape") for part in parts)
        made = cls(())
        made._bytes, made._ends = content, ends
        return made

    def digest(self) -> bytes:
        """Of all texts, in their order."""
        return hashlib.sha256(self._bytes + self._ends.tobytes()).digest()

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        """The text at an index from 0; negative ones are not counted from the end."""
        start = self._ends[index - 1] if index else 0
        return self._bytes[start : self._ends[index]].decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))


class LazyPairs(Sequence[Pair]):
    """A sequence that knows its names and builds a pair when it is asked for."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = names if isinstance(names, Texts) else Texts(names)

    def pair(self, index: int) -> Pair:
        """The pair at an index from 0 that is in range."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> list[Pair]: ...
    def __getitem__(self, index: int | slice) -> Pair | list[Pair]:
        # A range knows what negative numbers and slices mean, and what is out of range.
        places = range(len(self))[index]
        return self.pair(places) if isinstance(places, int) else [self.pair(i) for i in places]


@dataclass(frozen=True, slots=True)
class Column:
    """One picture of every pair: its path, relative to a folder."""

    folder: str
    paths: Texts
    half: Literal["left", "right"] | None = None

    def picture(self, index: int) -> Picture:
        return Picture(os.path.join(self.folder, self.paths[index]), self.half)


class FilePairs(LazyPairs):
    """Pairs of image files: one column for every picture of a side."""

    def __init__(self, names: Iterable[str], a: Sequence[Column], b: Sequence[Column]) -> None:
        super().__init__(names)
        self.a, self.b = tuple(a), tuple(b)

    def pair(self, index: int) -> Pair:
        a, b = (tuple(column.picture(index) for column in side) for side in (self.a, self.b))
        return Pair(self.names[index], a, b)


def without_suffix(path: str) -> str:
    """The path without its suffix, if it has the suffix of an image."""
    stem, dot, suffix = path.rpartition(".")
    return stem if dot + suffix.lower() in SUFFIXES else path


def names_of(paths: Collection[str]) -> list[str]:
    """A name for each of these paths, which are unique: the path without its suffix.

    Where two would have one name, as `1.jpg` and `1.png`, these keep their suffix.
    """
    stems = [without_suffix(path) for path in paths]
    times, whole = Counter(stems), set(paths)
    return [
        stem if times[stem] == 1 and stem not in whole else path
        for stem, path in zip(stems, paths, strict=True)
    ]


def images_by_name(folder: Path) -> dict[str, str]:
    """The images below a folder: their names, and their paths relative to it."""
    paths = images_below(folder)
    return dict(zip(names_of(paths), paths, strict=True))


def images_below(folder: Path) -> list[str]:
    """The relative paths of the images below a folder; ImtransError when there are none."""
    paths = find_images(folder)
    if not paths:
        raise ImtransError(f"{folder}: no images there (looked for {', '.join(SUFFIXES)})")
    return paths


def images_of_split(root: str, split: str) -> tuple[list[str], str, Texts]:
    """The images of one folder, or of a file list: names in order, the folder, and the paths."""
    check_root(root)
    listing = file_list(root, split)
    folder = Path(root) if listing else Path(root, split)
    if not folder.is_dir():
        raise no_folder(folder, _images_above(root, folder))
    found = images_by_name(folder)
    names = chosen(listing, found) if listing else sorted(found)
    return names, str(folder), Texts(found[name] for name in names)


def _images_above(root: str, folder: Path) -> str:
    if all(path.suffix.lower() not in SUFFIXES for path in Path(root).iterdir()):
        return ""
    return f'images are in {root} itself: use data.train = "." or move them to {folder}'


def has_images_of_split(root: str, split: str) -> bool:
    """Whether the folder or the file list of a split is there."""
    return Path(root, split).is_dir() or file_list(root, split) is not None


def file_list(root: str, split: str) -> Path | None:
    """The file that lists the names of a split, if the split is such a file."""
    path = Path(root, split)
    return path if split.endswith(".txt") and path.is_file() else None


def chosen(listing: Path, known: Collection[str]) -> list[str]:
    """The names that a file lists, one a line, sorted. The known names should be a set or a dict.

    Raises ImtransError with the line of every name that is unknown or appears twice.
    """
    lines: dict[str, int] = {}
    unknown: dict[int, str] = {}
    problems: dict[int, str] = {}
    for number, word in _words(listing):
        name = word if word in known else without_suffix(word)
        if name not in known:
            unknown[number] = name
            problems[number] = f"no image '{word}'"
        elif name in lines:
            problems[number] = f"'{word}' is in line {lines[name]} already; remove one"
        lines.setdefault(name, number)
    if unknown:
        first = min(unknown)
        problems[first] += _near(unknown[first], known)
    if problems:
        raise problems_in(listing, problems)
    if not lines:
        raise ImtransError(f"{listing}: it lists no names. write one on each line")
    return sorted(lines)


def _words(listing: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = listing.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ImtransError(f"{listing}: not UTF-8 text; save it as UTF-8") from error
    for number, line in enumerate(lines, start=1):
        # A name may hold '#', as in 'take#2': a comment has a space before it.
        if word := re.sub(r"(^|\s)#.*", "", line).strip():
            yield number, posixpath.normpath(word)


def _near(name: str, known: Collection[str]) -> str:
    # Most often the folder is missing, or is one too many.
    folder, base = posixpath.split(name)
    same = [other for other in known if posixpath.basename(other) == base]
    if same:
        return f"; did you mean {quoted(same[:3], ' or ')}?"
    beside = [other for other in known if posixpath.dirname(other) == folder]
    # Comparing takes its time: a hint must not take ten seconds.
    return did_you_mean(name, islice(beside or known, 20_000))


def problems_in(path: object, problems: dict[int, str]) -> ImtransError:
    """The problems of a file's lines, the first few of them, as one error."""
    if len(problems) == 1:
        return ImtransError(*(f"{path}, line {line}: {what}" for line, what in problems.items()))
    shown = [f"  line {line}: {problems[line]}" for line in sorted(problems)[:5]]
    more = [f"  and {len(problems) - 5} more"] if len(problems) > 5 else []
    return ImtransError("\n".join([f"{path}: {len(problems)} problems", *shown, *more]))


def check_root(root: str) -> None:
    """Raise MissingRoot unless the recipe's folder is there; ImtransError for an address."""
    if is_address(root):
        raise ImtransError(
            f"{root}: only the layout 'shards' reads addresses. store the pairs as tar files and "
            'set data.layout = "shards", or copy them to this machine'
        )
    if not Path(root).is_dir():
        raise MissingRoot(root)


def no_folder(path: Path, instead: str = "") -> MissingSplit:
    """The error for the folder, or the file list, of a split that is not there. `instead` says what
    the user may have meant; without it, it is said what is there."""
    listing = path.suffix == ".txt"
    what = f"{path}: no such {'file list' if listing else 'folder'}"
    return MissingSplit(what, instead or _what_is_there(path, listing))


def _what_is_there(path: Path, listing: bool) -> str:
    holder = next(parent for parent in path.parents if parent.is_dir())
    inside = holder.glob("*.txt") if listing else filter(Path.is_dir, holder.iterdir())
    there = sorted(inner.name for inner in inside if not inner.name.startswith("."))
    if not there:
        images = sorted(p.name for p in holder.iterdir() if p.suffix.lower() in SUFFIXES)
        besides = f", but images: {some(images, 3)}" if images else ""
        return f"{holder} holds no {'file list' if listing else 'folder'}{besides}"
    near = did_you_mean(path.relative_to(holder).parts[0], there)
    return f"{holder} holds {some(quoted([name]) for name in there)}{near}"
