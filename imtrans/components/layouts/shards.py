"""Pairs stored in tar files, as WebDataset writes them: few large files instead of many small ones.

The headers are scanned once for the place of each member. Access is then random: shuffling is
exact, any worker reads any pair, and no member passes through a buffer.
"""

import glob
import posixpath
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath
from typing import Literal

from imtrans.api.errors import ImtransError, quoted, some
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layouts import LazyPairs, MissingPartners, Texts, check_root, without_suffix
from imtrans.api.pictures import SUFFIXES, Pair, Picture
from imtrans.api.tar_members import check_kind, check_name, scan

MARK = "{split}"
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
BOTH = "pair"
MOST = 1_000_000  # files of a range


@hookimpl
def register_layouts(register: Register) -> None:
    register("shards", Shards)


class Shards:
    """ROOT/SPLIT-*.tar, uncompressed, with the members KEY.source.png and KEY.target.png.

    KEY is all up to the first dot behind the last `/`; KEY.pair.png is both, side by side. In
    `files`, `{split}` is replaced by the split and `{000..009}` is a range; without `{split}` the
    only split is `train`. `source = ""` means targets only. `source = "jpg"` is KEY.jpg itself.
    Other members, hidden files and folders are passed over.
    """

    def __init__(
        self,
        root: str,
        *,
        files: str = "{split}-*.tar",
        source: str = "source",
        target: str = "target",
    ) -> None:
        if not target or source == target or BOTH in (source, target):
            raise ImtransError(
                f"layout 'shards': source '{source}' and target '{target}' must be two words, "
                f"and neither '{BOTH}'"
            )
        self.root, self.files, self.source, self.target = root, files, source, target

    @classmethod
    def found_in(cls, root: str, split: str) -> str | None:
        tars = sorted(path.name for path in Path(root).glob("*.tar"))
        return f"{tars[0]} is there" if tars else None

    @property
    def has_sources(self) -> bool:
        return bool(self.source)

    def has(self, split: str) -> bool:
        return bool(self._tars(split))

    def pairs(self, split: str) -> Sequence[Pair]:
        check_root(self.root)
        tars = self._tars(split)
        if not tars:
            raise ImtransError(self._no_tars(split))
        self._check_range(split)
        index = Index(self.source, self.target)
        for tar in tars:
            index.add(str(Path(self.root, tar)))
        return index.pairs()

    def _tars(self, split: str) -> list[str]:
        """The tar files of a split, relative to the root, sorted."""
        if MARK not in self.files and split != "train":
            return []
        found: set[str] = set()
        for pattern in self._patterns(split):
            found.update(glob.glob(pattern, root_dir=self.root, recursive=True))
        return sorted(name for name in found if Path(self.root, name).is_file())

    def _patterns(self, split: str) -> Iterator[str]:
        """The pattern of a split, for every number of its range, all below the root."""
        pattern = self.files.replace(MARK, glob.escape(split))
        if PureWindowsPath(pattern).anchor or ".." in re.split(r"[/\\]", pattern):
            raise ImtransError(
                f"layout 'shards': '{pattern}' leads out of {self.root}. name files below it, or "
                "another data.root"
            )
        return _in_range(pattern)

    def _check_range(self, split: str) -> None:
        """Raise ImtransError when a file of a range is missing: its pairs would be, silently."""
        patterns = list(self._patterns(split))
        if len(patterns) > 1:
            missing = [p for p in patterns if not glob.glob(p, root_dir=self.root, recursive=True)]
            if missing:
                raise ImtransError(
                    f"{self.root}: of the {len(patterns)} tar files {self.files}, "
                    f"{len(missing)} are missing: {some(missing)}. fetch them, or change the range"
                )

    def _no_tars(self, split: str) -> str:
        if MARK not in self.files and split != "train":
            return (
                f"layout 'shards': '{self.files}' holds the split 'train' only; '{split}' is not "
                f"there. put '{MARK}' where its name belongs, as in files = \"{MARK}-*.tar\""
            )
        there = [path.name for path in sorted(Path(self.root).glob("*.tar"))]
        path = Path(self.root, self.files.replace(MARK, split))
        if f"{split}.tar" in there:
            return f'{path}: no such file. {split}.tar is there: use files = "{MARK}.tar"'
        if there:
            return f"{path}: no such file. {self.root} holds {some(there)}: name them in 'files'"
        return f"{path}: no such file, and no tar file beside it"


def _in_range(pattern: str) -> Iterator[str]:
    """The pattern for every number of a range like `{000..009}`, or the pattern itself."""
    found = RANGE.search(pattern)
    if not found:
        return iter([pattern])
    # Counted before it is made, and nine digits are enough for any file.
    first, last = (int(text) if len(text) < 10 else None for text in found.groups())
    if first is None or last is None or last - first >= MOST:
        raise ImtransError(
            f"layout 'shards': '{pattern[:100]}': a range of more than {MOST:,} files"
        )
    if last < first:
        raise ImtransError(f"layout 'shards': '{pattern}': the range is empty")
    before, after, width = pattern[: found.start()], pattern[found.end() :], len(found[1])
    return (f"{before}{number:0{width}}{after}" for number in range(first, last + 1))


class Index:
    """The place of each member that is one side of a pair, or both."""

    def __init__(self, source: str, target: str) -> None:
        self.a: dict[str, int] = {}  # key -> row of the arrays below
        self.b: dict[str, int] = {}
        self.roles = (
            {target: (self.b,)}
            if not source
            else {
                source: (self.a,),
                target: (self.b,),
                BOTH: (self.a, self.b),
            }
        )
        self.expected = " or ".join(f"KEY.{role}.EXT" for role in self.roles)
        self.targets_only = not source
        self.tars: list[str] = []
        self.members: list[str] = []
        self.places = Places()
        self.others: list[str] = []  # a few names of members that are no side of a pair

    def add(self, tar: str) -> None:
        """Scan the headers of a tar file."""
        self.tars.append(tar)
        for info in scan(tar):
            check_name(tar, info.name)
            key, field = split_name(info.name)
            sides = self.roles.get(field, ())
            if not sides:
                self.others += [info.name] if len(self.others) < 3 else []
                continue
            check_kind(tar, info)
            row = len(self.members)
            for side in sides:
                if key in side:
                    raise ImtransError(
                        f"{tar}: '{info.name}' is one side of '{key}', and so is "
                        f"{self._full_name(side[key])}. remove one"
                    )
                side[key] = row
            self.members.append(info.name)
            self.places.append(len(self.tars) - 1, info.offset_data, info.size)

    def pairs(self) -> Sequence[Pair]:
        """The pairs of all that was scanned; ImtransError when a partner is missing."""
        if not self.members:
            found = f"found {quoted(self.others)}" if self.others else "it holds no files"
            raise ImtransError(f"{some(self.tars)}: no members {self.expected}: {found}")
        if not self.targets_only and (orphans := self.a.keys() ^ self.b.keys()):
            rows = [self.a[key] if key in self.a else self.b[key] for key in sorted(orphans)]
            count = f"{len(rows)} members have" if len(rows) > 1 else "1 member has"
            a_pair_is = f"a pair is {self.expected.replace(' or ', ' and ', 1)}"
            raise MissingPartners(
                f"{count} no partner: {some(map(self._full_name, rows))}. {a_pair_is}",
                [(self._full_name(row), f"no partner: {a_pair_is}") for row in rows],
                self._paired(sorted(self.a.keys() & self.b.keys())),
            )
        return self._paired(sorted(self.b))

    def _paired(self, names: list[str]) -> "ShardPairs":
        a = array("Q", (self.a[name] for name in names if not self.targets_only))
        b = array("Q", (self.b[name] for name in names))
        return ShardPairs(names, self.tars, Texts(self.members), self.places, a, b)

    def _full_name(self, row: int) -> str:
        return f"{self.tars[self.places.tar[row]]}/{self.members[row]}"


class Places:
    """Of every member: the number of its tar file, its offset there, its size. In bytes."""

    def __init__(self) -> None:
        self.tar, self.offset, self.size = array("I"), array("Q"), array("Q")

    def append(self, tar: int, offset: int, size: int) -> None:
        self.tar.append(tar)
        self.offset.append(offset)
        self.size.append(size)


class ShardPairs(LazyPairs):
    """Pairs of members; `a` and `b` are their rows among the members. One row: two halves."""

    def __init__(
        self,
        names: Sequence[str],
        tars: list[str],
        members: Texts,
        places: Places,
        a: Sequence[int],
        b: Sequence[int],
    ) -> None:
        super().__init__(names)
        self.tars, self.members, self.places, self.a, self.b = tars, members, places, a, b

    def pair(self, index: int) -> Pair:
        name, target = self.names[index], self.b[index]
        if not self.a:
            return Pair(name, (), (self._picture(target),))
        source = self.a[index]
        if source == target:
            return Pair(name, (self._picture(source, "left"),), (self._picture(target, "right"),))
        return Pair(name, (self._picture(source),), (self._picture(target),))

    def _picture(self, row: int, half: Literal["left", "right"] | None = None) -> Picture:
        tar, offset, size = self.places.tar[row], self.places.offset[row], self.places.size[row]
        return Picture(self.tars[tar], half, self.members[row], offset, size)


def split_name(member: str) -> tuple[str, str]:
    """A member's key and its field: `f/001` and `source` for `./f/001.source.png`.

    The field is empty if the member is hidden or no image.
    """
    folder, base = posixpath.split(posixpath.normpath(member))
    key, _, field = base.partition(".")
    hidden = any(part.startswith(".") for part in (*folder.split("/"), base))
    image = base.lower().endswith(SUFFIXES)
    return posixpath.join(folder, key), without_suffix(field) if image and not hidden else ""
