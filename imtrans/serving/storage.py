"""The folder of a server: uploads and results, bounded in size, deleted with the server.

It is the only folder that clients can read from. Gradio puts uploads into it; what is older than
OLD is deleted when something new arrives, and the oldest files when there is no room.
"""

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from imtrans.api.errors import ImtransError
from imtrans.host.locks import Locked, locked

PREFIX = "imtrans-serve-"
LOCK = ".lock"
OLD = 30 * 60  # s: how long a result can be fetched, or an upload be used again
IN_USE = 60  # s: so young a file may belong to a request that waits
LOOK = 5  # s between two looks at all files, but for uploads
FILES = 4000  # that are kept
LONGEST = 80  # characters of a name that is kept
ENDED = "the server has ended"
FULL = "the server has no room for more files now; try again in a minute"


class _File(NamedTuple):
    written: float
    size: int
    path: Path


class Storage:
    """Bounded room for files that come and go."""

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder.resolve(), most
        self._one, self._looked, self._coming = threading.Lock(), 0.0, 0
        self._open = True

    def holds(self, path: str) -> bool:
        """Whether a path that a client sent is that of a file in this folder."""
        try:
            found = Path(path).resolve(strict=True)
            return (
                found.is_file()
                and found.is_relative_to(self.folder)
                and found != self.folder / LOCK
            )
        except (OSError, ValueError, RuntimeError):  # too long, a NUL inside, a loop of links
            return False

    def check_open(self) -> None:
        """Raise ImtransError once the server has ended: what computes still need not go on."""
        if not self._open:
            raise ImtransError(ENDED)

    def close(self) -> None:
        """Delete all of it."""
        self._open = False
        shutil.rmtree(self.folder, ignore_errors=True)

    def place(self, name: str) -> Path:
        """Where a file of this name can be written: nobody can guess it."""
        self.check_open()
        if time.monotonic() - self._looked > LOOK:
            self.make_room()
        folder = self.folder / secrets.token_urlsafe(16)
        folder.mkdir()
        return folder / name

    @contextmanager
    def room_for(self, size: int) -> Iterator[None]:
        """Keeps room for an upload of `size` bytes while it comes: others come at the same time.
        Raises ImtransError where there is none."""
        self._coming += size
        try:
            self.make_room()
            yield
        finally:
            self._coming -= size

    def make_room(self) -> None:
        """Delete what is old, and the oldest until there is room for all that comes. Raises
        ImtransError where only files that are in use are left."""
        with self._one:
            files = sorted(self._files())
            total = sum(file.size for file in files) + self._coming
            left, now = len(files), time.time()
            for file in files:
                age = now - file.written
                full = total > self.most or left > FILES
                if age > OLD or (full and age > IN_USE):
                    _remove(file.path, self.folder)
                    total, left = total - file.size, left - 1
            self._looked = time.monotonic()
        if total > self.most or left > FILES:
            raise ImtransError(FULL)

    def _files(self) -> Iterator[_File]:
        for path in self.folder.rglob("*"):
            with suppress(OSError):  # removed while we look
                found = path.stat()
                if path.is_file() and path != self.folder / LOCK:
                    yield _File(found.st_mtime, found.st_size, path)


@contextmanager
def opened_storage(most: int) -> Iterator[Storage]:
    """A new folder for files, removed in the end; also those that killed servers have left."""
    _remove_left()
    # A folder that nobody else may look into.
    storage = Storage(Path(tempfile.mkdtemp(prefix=PREFIX)), most)
    try:
        with locked(storage.folder / LOCK):
            yield storage
    finally:
        storage.close()


def kept_name(path: str, suffix: str) -> str:
    """A name for what is made of a client's file: that of the file, harmless on every system."""
    stem = Path(path.replace("\\", "/")).stem
    safe = "".join(one if one.isalnum() or one in "-_. ()" else "_" for one in stem)
    return (safe.strip(" .")[:LONGEST] or "image") + suffix


def _remove(path: Path, within: Path) -> None:
    with suppress(OSError):
        path.unlink()
        if path.parent != within:
            path.parent.rmdir()  # where it was the only file


def _remove_left() -> None:
    own = getattr(os, "getuid", lambda: 0)()  # there is none on Windows, whose files have owner 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, Locked):
            if folder.is_symlink() or folder.stat().st_uid != own:
                continue
            if not (folder / LOCK).is_file():
                continue  # one that begins just now
            with locked(folder / LOCK):
                shutil.rmtree(folder, ignore_errors=True)
