"""Small files written atomically: to a temporary name, then renamed, so none is ever incomplete."""

import errno
import hashlib
import os
from pathlib import Path

from imtrans.api.pictures import RESULTS

LONGEST = 255  # bytes of a name
# Why a file cannot be written, though others can: its name is too long, or none that this disk can
# have, or a folder is in its place, or a file in that of a folder above it.
OF_ONE = {
    errno.ENAMETOOLONG,
    errno.EINVAL,
    errno.EILSEQ,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.EEXIST,
}
MARK = RESULTS  # in a folder that imtrans made: its files may be overwritten


def no_link(path: str, flags: int) -> int:
    """An opener for `open` that refuses to follow a link, where the system can."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def beside(path: Path, kind: str) -> Path:
    """A hidden file beside another, named after it: `.photo.png.partial`. A long name becomes its
    hash, as names have 255 bytes at most."""
    name = f".{path.name}.{kind}"
    if len(os.fsencode(name)) > LONGEST:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.{kind}"
    return path.with_name(name)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it, however many: those of the library recurse. Several
    threads may make the same."""
    missing = []
    while not folder.is_dir() and folder != folder.parent:
        missing.append(folder)
        folder = folder.parent
    if missing and missing[-1].exists() and not missing[-1].is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(missing[-1]))
    for each in reversed(missing):
        each.mkdir(exist_ok=True)


def concerns_one(error: BaseException | None) -> bool:
    """Whether a file could not be written for a reason that others do not share."""
    return isinstance(error, OSError) and error.errno in OF_ONE


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file's content, or leave it unchanged. Raises OSError naming the file."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with open(partial, "wb", opener=no_link) as file:  # what a link leads to is not ours
            file.write(content)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def mark(folder: Path) -> None:
    """Make a folder, and note in it that imtrans made it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def is_ours(folder: Path) -> bool:
    """Whether imtrans made this folder."""
    return (folder / MARK).is_file()
