"""Parts of files elsewhere, kept on this machine's disk within a limit.

Many processes use it at once, without locks: each part is a file of its own, complete or not there,
and one that is being removed is read again from where it came.
"""

import hashlib
import os
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.cache_folder import cache_folder
from imtrans.api.remote.ranges import RemoteFile
from imtrans.api.tars.index import whole_file

FOLDER = "remote"  # below the user's folder for caches
SHARE = 0.02  # of the limit, that a process writes before it looks at the size of all
FILLED = 0.9  # of the limit, what is left when it was exceeded
FRESH = 3600.0  # s in which the time of the last use is not written again
CHECKSUM = 4  # bytes at the end of each file

_written: dict[int, int] = {}  # by process: bytes since it looked


@dataclass(frozen=True)
class Kept:
    """Reads through the local cache of at most `limit` bytes; about, as several processes write."""

    limit: int

    def read(self, file: RemoteFile, start: int, end: int) -> bytes:
        """The bytes of a file from `start` up to `end`. Raises Unreadable, with the reason."""
        if end - start > self.limit * FILLED:
            return file.read(start, end)
        path = _path(file, start, end)
        content = _kept(path, end - start)
        if content is None:
            content = file.read(start, end)
            with suppress(OSError):  # a full disk, or a folder of somebody else: as good without
                whole_file(path, content + zlib.crc32(content).to_bytes(CHECKSUM, "little"))
                self._count(len(content))
        return content

    def _count(self, written: int) -> None:
        process = os.getpid()
        # The first time too: what is left of other runs may be more than this limit.
        total = _written.get(process, self.limit) + written
        if total >= self.limit * SHARE:
            self._make_room()
            total = 0
        _written[process] = total

    def _make_room(self) -> None:
        """Remove what was not used for longest."""
        there = sorted(_entries(cache_folder() / FOLDER))
        total = sum(size for _, size, _ in there)
        if total <= self.limit:
            return
        for _, size, path in there:
            if total <= self.limit * FILLED:
                break
            with suppress(OSError):
                os.unlink(path)
            total -= size


def _path(file: RemoteFile, start: int, end: int) -> Path:
    what = f"{file.address} {file.version} {start} {end}".encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(what).hexdigest()[:40]
    return cache_folder() / FOLDER / digest[:2] / digest[2:]


def _kept(path: Path, size: int) -> bytes | None:
    """What is in the cache; None when it is not there, or damaged."""
    try:
        content = path.read_bytes()
        used = path.stat().st_mtime
    except OSError:
        return None
    content, checksum = content[:-CHECKSUM], content[-CHECKSUM:]
    if len(content) != size or zlib.crc32(content) != int.from_bytes(checksum, "little"):
        return None
    if time.time() - used > FRESH:
        with suppress(OSError):
            os.utime(path)
    return content


def _entries(folder: Path) -> list[tuple[float, int, str]]:
    """Last use, size and path of each file; one that was left half written too."""
    found = []
    with suppress(OSError):
        for part in os.scandir(folder):
            with suppress(OSError):
                for entry in os.scandir(part):
                    with suppress(OSError):
                        about = entry.stat()
                        found.append((about.st_mtime, about.st_size, entry.path))
    return found
