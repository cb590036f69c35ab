"""Small files written whole: beside their place, then renamed, so that none is ever half there."""

import os
from pathlib import Path

MARK = ".imtrans"  # in a folder that imtrans made: what stands there may be written again


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file by `content`, or leave it as it was. Raises OSError naming the file."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def mark(folder: Path) -> None:
    """Make a folder, and note that it is ours."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()


def is_ours(folder: Path) -> bool:
    """Whether imtrans made this folder."""
    return (folder / MARK).is_file()
