"""The images of a tar file and their places, scanned once and kept in the user's folder for caches.

What is kept belongs to one version of the tar file, and is read with suspicion: what is damaged, or
of another version, is scanned again.
"""

import hashlib
import json
import os
import posixpath
import sys
import tempfile
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

from imtrans.api.addresses import is_address
from imtrans.api.cache_folder import cache_folder
from imtrans.api.layouts import without_suffix
from imtrans.api.pictures import SUFFIXES
from imtrans.api.tars.members import Member, TarWindow, check_name, members

FORMAT = 1
FOLDER = "tar-index"  # below the user's folder for caches
WORTH_KEEPING = 1000  # members; a few are scanned as quickly as read
COLUMNS = (("ends", "I"), ("forms", "I"), ("offsets", "Q"), ("sizes", "Q"))


class Form(NamedTuple):
    """What many names have in common: a name is before + key + after."""

    field: str  # `source` of `001.source.png`
    before: str = ""
    after: str = ""
    whole: str = ""  # a name that is written in no such way
    problem: str = ""  # why the member cannot be read in place

    def name(self, key: str) -> str:
        return self.whole or f"{self.before}{key}{self.after}"


class TarIndex:
    """The images of one tar file in their order: their keys, one after another, and columns."""

    def __init__(self) -> None:
        self.keys = bytearray()
        self.ends, self.forms = array("I"), array("I")
        self.offsets, self.sizes = array("Q"), array("Q")
        self.known: list[Form] = []
        self.others: list[str] = []  # a few names of members that are no images

    def __len__(self) -> int:
        return len(self.ends)

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        """Key and number of the form of each image."""
        keys, first = bytes(self.keys), 0
        for end, form in zip(self.ends, self.forms, strict=True):
            yield keys[first:end], form
            first = end

    def fill(self, tar: str, found: Iterable[Member]) -> "TarIndex":
        """Take in all members; `tar` is what errors call the file."""
        # Of most members folder and ending were seen before: then nothing is looked at again.
        folders: set[str] = set()
        endings: dict[str, int] = {}  # the number of their form
        keys: list[str] = []
        for name, offset, size, problem in found:
            slash = name.rfind("/") + 1
            dot = name.find(".", slash)
            number = endings.get(name[dot:])
            if number is None or problem or dot == slash or name[:slash] not in folders:
                check_name(tar, name)
                key, field = split_name(name)
                if not field:
                    self.others += [name] if len(self.others) < 3 else []
                    continue
                usual = key == name[:dot] and not problem
                if usual:
                    folders.add(name[:slash])
                if number is None or not usual:
                    number = len(self.known)
                    self.known.append(_form(name, key, field, problem))
                if usual:
                    endings[name[dot:]] = number
                keys.append(key)
            else:
                keys.append(name[:dot])
            self.forms.append(number)
            self.offsets.append(offset)
            self.sizes.append(size)
        encoded = [key.encode("utf-8", "surrogateescape") for key in keys]
        self.keys += b"".join(encoded)
        self.ends.extend(accumulate(map(len, encoded)))
        return self


def _form(name: str, key: str, field: str, problem: str) -> Form:
    before, middle, after = name.partition(key)
    if not middle or problem:
        return Form(field, whole=name, problem=problem)
    return Form(field, before, after)


def split_name(member: str) -> tuple[str, str]:
    """A member's key and its field: `f/001` and `source` for `./f/001.source.png`.

    The field is empty if the member is hidden or no image.
    """
    if "//" in member or "./" in member:  # quicker than normpath, which would change nothing else
        member = posixpath.normpath(member)
    folder, slash, base = member.rpartition("/")
    key, _, field = base.partition(".")
    hidden = not key or member.startswith(".") or "/." in member
    if hidden or not base.lower().endswith(SUFFIXES):
        return f"{folder}{slash}{key}", ""
    return f"{folder}{slash}{key}", without_suffix(field)


def index_of(tar: str, version: str, window: Callable[[], TarWindow], place: str) -> TarIndex:
    """The index of this version of a tar file: as it was kept, or scanned now. Errors call it
    `tar`; its `place` is its address, or its whole path. Raises ImtransError when it is damaged."""
    path = _path(place)
    said = json.dumps([FORMAT, sys.byteorder, place, version])
    kept = _read(path, said)
    if kept is None:
        kept = TarIndex().fill(tar, members(tar, window()))
        if len(kept) >= WORTH_KEEPING or is_address(tar):
            with suppress(OSError):  # a full disk, or a folder of somebody else: as good without
                _write(path, said, kept)
    return kept


def _path(tar: str) -> Path:
    digest = hashlib.sha256(tar.encode("utf-8", "surrogatepass")).hexdigest()
    return cache_folder() / FOLDER / digest[:32]


def _write(path: Path, said: str, index: TarIndex) -> None:
    about = {
        "of": said,
        "images": len(index),
        "keys": len(index.keys),
        "known": index.known,
        "others": index.others,
    }
    parts = [json.dumps(about).encode() + b"\n"]
    parts += [getattr(index, name).tobytes() for name, _ in COLUMNS]
    content = b"".join([*parts, bytes(index.keys)])
    whole_file(path, content + zlib.crc32(content).to_bytes(4, "little"))


def whole_file(path: Path, content: bytes) -> None:
    """Write a file: complete, or not there. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, beside = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


def _read(path: Path, said: str) -> TarIndex | None:
    """What was kept of this version; None when it was not, or is damaged."""
    try:
        content = path.read_bytes()
        if zlib.crc32(content[:-4]) != int.from_bytes(content[-4:], "little"):
            return None
        end = content.index(b"\n")
        about = json.loads(content[:end])
        if about["of"] != said:
            return None
        return _taken(about, memoryview(content)[end + 1 : -4])
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _taken(about: dict, values: memoryview) -> TarIndex | None:
    index, at = TarIndex(), 0
    for name, kind in COLUMNS:
        column = array(kind)
        end = at + about["images"] * column.itemsize
        column.frombytes(values[at:end])
        setattr(index, name, column)
        at = end
    index.keys = bytearray(values[at:])
    index.known = [Form(*form) for form in about["known"]]
    index.others = about["others"]
    return index if _is_sound(index, about) else None


def _is_sound(index: TarIndex, about: dict) -> bool:
    """Whether columns belong together; a checksum says only that they are as they were written."""
    columns = (index.ends, index.forms, index.offsets, index.sizes)
    return (
        all(len(column) == about["images"] for column in columns)
        and len(index.keys) == about["keys"] == (index.ends[-1] if index.ends else 0)
        and all(first <= last for first, last in pairwise(index.ends))
        and max(index.forms, default=-1) < len(index.known)
    )
