"""Locks between processes: one writer, or several readers.

The operating system holds a lock, on a file of its own, and releases it when its holder ends, also
after `kill -9` or a power cut: no stale lock ever needs to be removed by hand.
"""

import errno
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imtrans.api.errors import ImtransError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

PAUSE = 0.1  # seconds between two attempts while waiting
SLOTS = 1024  # how many may share a lock on Windows, where each locks a byte of its own
# The errors of file systems without locks (some network ones).
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}

_held: set[int] = set()  # the open files of this process that hold a lock


class Locked(ImtransError):
    """Another process, or another part of this one, holds the lock."""


@contextmanager
def locked(path: Path, *, wait: bool = False, shared: bool = False) -> Iterator[bool]:
    """Hold a lock on the file `path` during the block; the file is created if absent, and kept.

    Either one process holds it, or several with `shared`. If it is taken, raises Locked at once,
    or with `wait` waits as long as it takes. A child forked during the block does not hold it.
    Yields True; on a file system without locks, False, and the block runs without one. An
    exclusive holder may remove the file. Raises OSError if the file cannot be opened.
    """
    file, holds = _acquire(path, wait=wait, shared=shared)
    _held.add(file)
    try:
        yield holds
    finally:
        if file in _held:  # not so in a forked child
            _held.discard(file)
            if holds:
                _release(file)
            os.close(file)


def _acquire(path: Path, *, wait: bool, shared: bool) -> tuple[int, bool]:
    """An open file, and whether it holds the lock (False: the file system has no locks)."""
    while True:
        file = _open(path, shared)
        try:
            taken = _take(file, shared)
            if taken and _is_still(path, file):
                return file, True
        except OSError as error:
            if error.errno in NO_LOCKS:
                return file, False
            os.close(file)
            raise OSError(error.errno, error.strerror, str(path)) from error
        os.close(file)
        if taken:
            continue  # the last holder removed the file: there may be a new one
        if not wait:
            raise Locked(
                f"'{path}' is locked by another process; wait until that process has ended"
            )
        time.sleep(PAUSE)


def _open(path: Path, shared: bool) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        if not shared:
            raise
        return os.open(path, os.O_RDONLY)  # readers may share a lock on a read-only disk


def _is_still(path: Path, file: int) -> bool:
    """Whether the open file is still the one at `path`, not one removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def _take(file: int, shared: bool) -> bool:
        # Windows locks bytes: an exclusive lock takes all of them, a shared one any single byte.
        if not shared:
            return _lock_bytes(file, 0, SLOTS)
        return any(_lock_bytes(file, slot, 1) for slot in range(SLOTS))

    def _lock_bytes(file: int, start: int, count: int) -> bool:
        os.lseek(file, start, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, count)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
        return True

    def _release(file: int) -> None:
        pass  # closing the file releases it

else:

    def _take(file: int, shared: bool) -> bool:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(file: int) -> None:
        # Explicitly: a child forked other than by os.fork may still have the file open.
        fcntl.flock(file, fcntl.LOCK_UN)


def _forget() -> None:
    """In a forked child: otherwise a worker that outlives its parent would keep its lock."""
    for file in _held:
        with suppress(OSError):
            os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
