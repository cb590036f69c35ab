"""The folder of all caches, whose size is bounded."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.cache_folder import cache_folder
from imtrans.data.cache.cache import About, Unusable, read_about
from imtrans.host.locks import Locked, locked
from imtrans.host.words import size

BUILDING = ".building"  # the suffix of a folder that is not whole yet
SPARE = 2 * 10**9  # bytes of the disk that are left to others


def home() -> Path:
    """The folder of caches; beside them may be what is no cache."""
    return cache_folder()


@dataclass(frozen=True)
class Entry:
    """A cache, or what is left of one."""

    folder: Path
    about: About | None  # None: not whole
    bytes: int
    used: float  # seconds since 1970

    @property
    def name(self) -> str:
        return self.folder.name


def lock_of(folder: Path) -> Path:
    """The file whose lock says that a cache is being built (exclusive) or read (shared)."""
    return folder.with_name(f"{folder.name.removesuffix(BUILDING)}.lock")


def entries() -> list[Entry]:
    """All caches, those not used for longest first."""
    return sorted(_entries(), key=lambda entry: entry.used)


def _entries() -> Iterator[Entry]:
    if not home().is_dir():
        return
    for folder in home().iterdir():
        if not folder.is_dir() or not _is_ours(folder):
            continue
        try:
            about: About | None = None if folder.suffix == BUILDING else read_about(folder)
        except Unusable:
            about = None
        lock = lock_of(folder)
        used = (lock if lock.exists() else folder).stat().st_mtime
        yield Entry(folder, about, _bytes(folder), used)


def _is_ours(folder: Path) -> bool:
    name = folder.name.removesuffix(BUILDING)
    return len(name) == 32 and set(name) <= set("0123456789abcdef")


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def remove(entry: Entry) -> bool:
    """Remove a cache; False when a run builds or reads it just now."""
    lock = lock_of(entry.folder)
    try:
        with locked(lock):
            shutil.rmtree(entry.folder)
            lock.unlink(missing_ok=True)
    except Locked:
        return False
    return True


def make_room(needed: int, limit: int) -> str | None:
    """Remove caches, those not used for longest first, until `needed` bytes more fit into the limit
    and onto the disk. Returns why they do not fit, if so; then nothing was removed."""
    home().mkdir(parents=True, exist_ok=True)
    there = entries()
    over = sum(entry.bytes for entry in there) + needed - limit
    short = needed + SPARE - shutil.disk_usage(home()).free
    if needed > limit:
        return f"{size(needed)} needed; data.cache_limit is {size(limit)}"
    if short > sum(entry.bytes for entry in there):
        return f"{size(needed)} needed; the disk of {home()} has too little room"
    for entry in there:
        if over <= 0 and short <= 0:
            return None
        if remove(entry):
            over, short = over - entry.bytes, short - entry.bytes
    if over > 0 or short > 0:
        return f"{size(needed)} needed; the other caches are in use (`imtrans data cache`)"
    return None
