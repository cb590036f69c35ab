"""Pairs stored in tar files, as WebDataset writes them: few large files instead of many small ones.

The headers are scanned once for the place of each member. Access is then random: shuffling is
exact, any worker reads any pair, and no member passes through a buffer. The tar files may be
elsewhere: `s3://bucket/folder`, `gs://`, `https://`.
"""

import glob
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import Annotated

from pydantic import Field

from imtrans.api.addresses import is_address
from imtrans.api.errors import ImtransError, some
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layouts import check_root
from imtrans.api.pictures import Pair
from imtrans.api.tars.local import LocalTars
from imtrans.api.tars.pairs import BOTH, PairedMembers, Tars

MARK = "{split}"
RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
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

    ROOT may be an address that fsspec reads (extra `remote`). Over https:// nothing can be listed:
    `files` must be a range. What is read is kept on this machine, up to `cache_limit`.
    """

    reads_addresses = True

    def __init__(
        self,
        root: str,
        *,
        files: str = "{split}-*.tar",
        source: str = "source",
        target: str = "target",
        cache_limit: Annotated[float, Field(ge=0)] = 10.0,  # GB, of what is elsewhere; 0: none
    ) -> None:
        if not target or source == target or BOTH in (source, target):
            raise ImtransError(
                f"layout 'shards': source '{source}' and target '{target}' must be two words, "
                f"and neither '{BOTH}'"
            )
        self.root, self.files, self.source, self.target = root, files, source, target
        self.cache_limit = cache_limit

    @classmethod
    def found_in(cls, root: str, split: str) -> str | None:
        tars = sorted(path.name for path in Path(root).glob("*.tar"))
        return f"{tars[0]} is there" if tars else None

    @property
    def has_sources(self) -> bool:
        return bool(self.source)

    def has(self, split: str) -> bool:
        return bool(self._tars(split, probing=True))

    def pairs(self, split: str) -> Sequence[Pair]:
        if not is_address(self.root):
            check_root(self.root)
        tars = self._tars(split)
        if not tars:
            raise ImtransError(self._no_tars(split))
        self._check_range(split, tars)
        paired = PairedMembers(self.source, self.target)
        for tar, index in self._store.indexed(tars):
            paired.add(tar, index)
        return paired.pairs()

    @cached_property
    def _store(self) -> Tars:
        if is_address(self.root):
            from imtrans.api.remote.remote_tars import RemoteTars

            return RemoteTars(self.root, int(self.cache_limit * 1e9))
        return LocalTars(self.root)

    def _tars(self, split: str, *, probing: bool = False) -> list[str]:
        """The tar files of a split, relative to the root, sorted. `probing`: for whether it is
        there at all."""
        if MARK not in self.files and split != "train":
            return []
        return self._store.found(list(self._patterns(split)), probing)

    def _patterns(self, split: str) -> Iterator[str]:
        """The pattern of a split, for every number of its range, all below the root."""
        pattern = self.files.replace(MARK, glob.escape(split))
        if PureWindowsPath(pattern).anchor or ".." in re.split(r"[/\\]", pattern):
            raise ImtransError(
                f"layout 'shards': '{pattern}' leads out of {self.root}. name files below it, or "
                "another data.root"
            )
        return _in_range(pattern)

    def _check_range(self, split: str, tars: Sequence[str]) -> None:
        """Raise ImtransError when a file of a range is missing: its pairs would be, silently."""
        patterns = list(self._patterns(split))
        if len(patterns) > 1:
            there = set(tars)
            missing = [
                pattern
                for pattern in patterns
                if pattern not in there and not self._store.found([pattern], False)
            ]
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
        there = self._store.beside()
        path = self._store.place(self.files.replace(MARK, split))
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
