"""Unpack a .tar.gz that may be damaged or malicious into an empty folder, in one pass."""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import IO

from imtrans.data.fetching.members import (
    BadArchive,
    Budget,
    StrictInfo,
    check_kind,
    is_image,
    path_below,
)
from imtrans.data.fetching.space import telling_when_full
from imtrans.data.fetching.watch import Watch
from imtrans.host.words import plain

CHUNK = 2**16  # bytes
TAIL = 2**24  # bytes that may follow the last member: zeros, which fill up the last block


def unpack(archive: Path, folder: Path, top: str, budget: Budget, watch: Watch) -> int:
    """Unpack the images below the archive's folder `top` into `folder`, which is empty.

    Returns how many other files were left out. Nothing is written outside of `folder`: only plain
    files are, each under a name that was not there before. Raises BadArchive, with the member.
    """
    watch.begin("unpacking", archive.stat().st_size)
    last = ""
    try:
        with open(archive, "rb") as packed, gzip.GzipFile(fileobj=packed) as stream:
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=StrictInfo, bufsize=CHUNK) as tar:
                left_out = 0
                while (info := tar.next()) is not None:
                    # It would keep them all.
                    tar.members.clear()  # type: ignore[attr-defined]
                    last = f" after '{plain(info.name)}'"
                    left_out += not _unpack_member(tar, info, folder, top, budget)
                    watch.reach(packed.tell())
            _read_to_the_end(stream)
    except (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, RecursionError) as error:
        raise BadArchive(f"cut off, damaged, or no .tar.gz{last} ({plain(error)})") from error
    return left_out


def _unpack_member(
    tar: tarfile.TarFile, info: tarfile.TarInfo, folder: Path, top: str, budget: Budget
) -> bool:
    """Write one member, or make its folder; False for a file that is no image."""
    path = path_below(info.name, top)
    check_kind(info)
    budget.spend(info.name, info.size)
    if path is None:
        return info.isdir()  # a file without a name, or with that of the folder, is left out
    target = folder / path
    content = None if info.isdir() else tar.extractfile(info)
    if content is not None and not is_image(path):
        return False
    with telling_when_full(folder.parent):
        try:
            write_member(target, content)
        except (FileExistsError, NotADirectoryError) as error:
            raise BadArchive(f"'{plain(info.name)}' is there twice") from error
    return True


def write_member(target: Path, content: IO[bytes] | None) -> int:
    """Write a file that was not there before, or make a folder; returns how many bytes."""
    if content is None:
        target.mkdir(parents=True, exist_ok=True)
        return 0
    target.parent.mkdir(parents=True, exist_ok=True)
    # Owners, rights and times of the archive are nobody's business here.
    with open(target, "xb") as file:
        shutil.copyfileobj(content, file, CHUNK)
        return file.tell()


def _read_to_the_end(stream: gzip.GzipFile) -> None:
    """The checksum of the whole is at its very end."""
    for _ in range(TAIL // CHUNK):
        if not stream.read(CHUNK):
            return
    raise BadArchive("something follows its end")
