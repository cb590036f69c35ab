"""Tar shards as WebDataset has them, KEY.FIELD.EXT: what is read of them, and what is written."""

import io
import posixpath
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from imtrans.api.errors import ImtransError, quoted, some
from imtrans.api.layouts import without_suffix
from imtrans.api.pictures import SUFFIXES, Picture
from imtrans.api.tars.members import check_name
from imtrans_ray.places import CannotWrite, Place

SOURCE, OUTPUT = "source", "output"


class Image(NamedTuple):
    """An image to be translated, the key of its result, and when it was last changed (s)."""

    picture: Picture
    key: str
    time: float = 0


class Member(NamedTuple):
    """An image in a tar file: `field` is source for KEY.source.png, empty for KEY.png."""

    info: tarfile.TarInfo
    key: str
    field: str


def images_of(tar: Path, shard: Place, field: str | None) -> Iterator[Image]:
    """The images of a shard, whose bytes are in the file `tar`, in their order, read one by one:
    KEY.FIELD.EXT, by default KEY.source.EXT, or KEY.EXT in a shard that has no sources.

    Raises ImtransError where there are none, two have one key, or the tar file is damaged.
    """
    members = list(_members(tar, shard))
    sources = [one for one in members if one.field == (SOURCE if field is None else field)]
    if field is None and not sources:
        sources = [one for one in members if not one.field]
    if not sources:
        names = some(repr(one.info.name) for one in members[:3])
        raise ImtransError(
            f"{shard.address}: no members {_expected(field)}: " + (names or "it holds no images")
        )
    twice = [key for key, count in Counter(one.key for one in sources).items() if count > 1]
    if twice:
        raise ImtransError(f"{shard.address}: several images have the key {quoted(twice[:5])}")
    with tar.open("rb") as file:
        for info, key, _ in sources:
            file.seek(info.offset_data)
            name = f"{shard.address}/{info.name}"
            yield Image(Picture(name, content=file.read(info.size)), key, info.mtime)


def _expected(field: str | None) -> str:
    if field is None:
        return f"KEY.{SOURCE}.EXT, nor KEY.EXT"
    return f"KEY.{field}.EXT" if field else "KEY.EXT"


def _members(tar: Path, shard: Place) -> Iterator[Member]:
    """The images in a tar file, hidden ones left out."""
    for info in _headers(tar, shard):
        if info.isdir():
            continue
        check_name(shard.address, info.name)
        folder, base = posixpath.split(posixpath.normpath(info.name))
        if any(part.startswith(".") for part in (*folder.split("/"), base)):
            continue
        if base.lower().endswith(SUFFIXES):
            if not info.isreg() or info.issparse():
                raise ImtransError(
                    f"{shard.address}: '{info.name}' is no plain file. pack the files themselves: "
                    "tar --dereference --hard-dereference"
                )
            key, _, rest = base.partition(".")
            field = without_suffix(f".{rest}")[1:]
            yield Member(info, posixpath.join(folder, key), field)


def _headers(tar: Path, shard: Place) -> list[tarfile.TarInfo]:
    """All members. Raises ImtransError unless the file is whole: the tarfile module passes over
    damage behind the first member, and what follows would be missing without a word."""
    with tar.open("rb") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                infos = archive.getmembers()
                end = archive.offset
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise ImtransError(
                f"{shard.address}: no tar file, compressed, cut off or damaged ({error}). copy or "
                "pack it again, without compression"
            ) from error
        file.seek(end)
        mark = file.read(tarfile.BLOCKSIZE)
    if len(mark) < tarfile.BLOCKSIZE or any(mark):
        after = f" after '{infos[-1].name}'" if infos else ""
        raise ImtransError(f"{shard.address}: cut off or damaged{after}. copy or pack it again")
    return infos


@contextmanager
def new_shard(place: Place) -> "Iterator[NewShard]":
    """A shard that is there when the context ends well, and whole. The same results are the same
    bytes. Raises CannotWrite."""
    with place.writing() as path:
        shard = NewShard(place, path)
        try:
            yield shard
            shard.finish()
        finally:
            shard.close()


class NewShard:
    """A tar file that results are added to."""

    def __init__(self, place: Place, path: Path) -> None:
        self.place = place
        with self._writing():
            self._file = path.open("wb")
            self._archive = tarfile.open(fileobj=self._file, mode="w")

    def add(self, image: Image, suffix: str, content: bytes) -> None:
        """The result for an image, as KEY.output.EXT."""
        info = tarfile.TarInfo(f"{image.key}.{OUTPUT}{suffix}")
        info.size, info.mtime, info.mode = len(content), int(image.time), 0o644
        with self._writing():
            self._archive.addfile(info, io.BytesIO(content))

    def finish(self) -> None:
        with self._writing():
            self._archive.close()
            self._file.close()

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise CannotWrite(f"{self.place.address}: cannot be written: {reason}") from error


def images_in(root: Place, names: Iterable[tuple[str, str]]) -> Iterator[Image]:
    """Images below a folder, each with its key."""
    for name, key in names:
        if root.is_local:
            path = Path(root.address, name)
            yield Image(Picture(str(path)), key, _time(path))
        else:
            try:
                content = (root / name).read()
            except FileNotFoundError:
                content = b""  # a broken image like any other
            yield Image(Picture((root / name).address, content=content), key)


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0  # who reads it hears of it
