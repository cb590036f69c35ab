"""The tar files of a folder of this machine."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from imtrans.api.errors import ImtransError
from imtrans.api.tars.index import TarIndex, index_of
from imtrans.api.tars.members import TarWindow
from imtrans.api.tars.pairs import Tar

BLOCK = 2**17  # bytes; the headers of about a hundred tiny members
LEAST = 2**12


class LocalTars:
    """Those below `root`."""

    def __init__(self, root: str) -> None:
        self.root = root

    def place(self, name: str) -> str:
        return str(Path(self.root, name))

    def beside(self) -> list[str]:
        return [path.name for path in sorted(Path(self.root).glob("*.tar"))]

    def found(self, patterns: Sequence[str], probing: bool = False) -> list[str]:
        names: set[str] = set()
        for pattern in patterns:
            names.update(glob.glob(pattern, root_dir=self.root, recursive=True))
        return sorted(name for name in names if Path(self.root, name).is_file())

    def indexed(self, names: Sequence[str]) -> Iterator[tuple[Tar, TarIndex]]:
        for name in names:
            path = self.place(name)
            yield Tar(path), _index(path)


def _index(path: str) -> TarIndex:
    try:
        with open(path, "rb", buffering=0) as file:
            about = os.fstat(file.fileno())
            window = TarWindow(_reads(file), about.st_size, block=BLOCK, least=LEAST)
            version = f"{about.st_size} {about.st_mtime_ns} {about.st_ctime_ns} {about.st_ino}"
            return index_of(path, version, lambda: window, os.path.abspath(path))
    except OSError as error:
        raise ImtransError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _reads(file: BinaryIO):  # type: ignore[no-untyped-def]
    def read(start: int, end: int) -> bytes:
        file.seek(start)
        return file.read(end - start)

    return read
