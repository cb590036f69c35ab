"""Small files written atomically: to a temporary name, then renamed, so none is ever incomplete."""

import os
from pathlib import Path

from imtrans.api.pictures import RESULTS

MARK = RESULTS  # in a folder that imtrans made: its files may be overwritten


def no_link(path: str, flags: int) -> int:
    """An opener for `open` that refuses to follow a link, where the system can."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


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
