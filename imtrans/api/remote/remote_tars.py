"""The tar files below an address."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imtrans.api.addresses import joined
from imtrans.api.errors import ImtransError
from imtrans.api.remote.faults import Unreadable
from imtrans.api.remote.kept import Kept
from imtrans.api.remote.listing import at_once, found
from imtrans.api.remote.ranges import RemoteFile
from imtrans.api.tars.index import TarIndex, index_of
from imtrans.api.tars.members import TarWindow
from imtrans.api.tars.pairs import Tar

BLOCK = 2**20  # bytes; what a server sends in the time that it takes to ask it again
LEAST = 2**16
AT_ONCE = 64  # tar files whose indices are in memory at the same time


class RemoteTars:
    """Those below an address; what is read of them is kept up to `limit` bytes."""

    def __init__(self, root: str, limit: int) -> None:
        self.root, self.kept = root, Kept(limit)
        self._files: dict[str, RemoteFile] = {}

    def place(self, name: str) -> str:
        return joined(self.root, name)

    def beside(self) -> list[str]:
        try:
            return list(found(self.root, ["*.tar"]))
        except ImtransError:
            return []  # it cannot be listed

    def found(self, patterns: Sequence[str], probing: bool = False) -> list[str]:
        files = found(self.root, patterns, probing=probing)
        self._files |= files
        return list(files)

    def indexed(self, names: Sequence[str]) -> Iterator[tuple[Tar, TarIndex]]:
        for first in range(0, len(names), AT_ONCE):
            files = [self._files[name] for name in names[first : first + AT_ONCE]]
            for file, index in zip(files, at_once(_index, files), strict=True):
                yield Tar(file.address, RemoteBytes(file, self.kept)), index


def _index(file: RemoteFile) -> TarIndex:
    def window() -> TarWindow:
        return TarWindow(file.read, file.size, block=BLOCK, least=LEAST)

    try:
        return index_of(file.address, file.version, window, file.address)
    except Unreadable as error:
        raise ImtransError(f"{file.address}: {error}") from error


@dataclass(frozen=True, slots=True)
class RemoteBytes:
    """The bytes of a file elsewhere, read through what is kept of it."""

    file: RemoteFile
    kept: Kept

    @property
    def version(self) -> str:
        return self.file.version

    def read(self, offset: int, size: int) -> bytes:
        return self.kept.read(self.file, offset, offset + size)
