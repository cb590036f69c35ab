"""Which members of an archive may be unpacked: plain files and folders, with modest names."""

import tarfile
from dataclasses import dataclass
from pathlib import PurePosixPath

from imtrans.api.errors import ImtransError
from imtrans.host.words import plain, size

IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
HEADER = 2**16  # bytes: long names come in headers of their own, which are read into memory
DEPTH = 8  # folders
# Windows takes none of these for a name, and reads some as a drive or as another folder.
FORBIDDEN = set('\\:*?"<>|')
_NAMING = {
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
}


class BadArchive(ImtransError):
    """Not a whole archive, or none that one should unpack."""


class StrictInfo(tarfile.TarInfo):
    """A member whose header is damaged is an error: tarfile itself takes it for the end."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "StrictInfo":
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":  # a block of zeros: the true end
                raise
            raise tarfile.ReadError(str(error)) from error

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "StrictInfo":
        info = super().frombuf(buf, encoding, errors)
        if info.size < 0 or (info.type in _NAMING and info.size > HEADER):
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


@dataclass
class Budget:
    """How much may come out of an archive: a small one can hold endless zeros."""

    files: int
    bytes: int

    def spend(self, name: str, length: int) -> None:
        self.files -= 1
        self.bytes -= length
        if self.files < 0 or self.bytes < 0:
            what = "members" if self.files < 0 else "bytes"
            raise BadArchive(
                f"'{plain(name)}' ({size(length)}) makes more {what} than such a set has"
            )


def path_below(name: str, top: str) -> PurePosixPath | None:
    """Where a member of this name goes, below the folder `top` of the archive; None for that folder
    itself. Raises BadArchive for a name that is none, or outside of it."""
    _check_name(name)
    parts = PurePosixPath(name).parts  # without "." and doubled slashes
    if not parts:
        return None  # "./"
    if parts[0] != top:
        raise BadArchive(f"'{plain(name)}' is not in the folder '{top}'")
    if len(parts) > DEPTH:
        raise BadArchive(f"'{plain(name)}' is too deep")
    return PurePosixPath(*parts[1:]) if len(parts) > 1 else None


def is_image(path: PurePosixPath) -> bool:
    """Whether training could use it: `._1.jpg` and the like are what a Mac leaves behind."""
    return path.suffix.lower() in IMAGES and not path.name.startswith(".")


def _check_name(name: str) -> None:
    if name.startswith("/") or ".." in name.split("/"):
        raise BadArchive(f"'{plain(name)}' would be outside of the folder it is unpacked to")
    if not name.isprintable() or FORBIDDEN & set(name):
        raise BadArchive(f"'{plain(name)}' is no name for a file")
    try:
        longest = max(len(part.encode()) for part in name.split("/"))
    except UnicodeEncodeError as error:
        raise BadArchive(f"'{plain(name)}' is no name for a file") from error
    if longest > 200:
        raise BadArchive(f"'{plain(name)}' is too long a name")


def check_rights(name: str, mode: int) -> None:
    if mode & 0o6000:
        raise BadArchive(f"'{name}' would run with the rights of another user (setuid)")


def check_kind(info: tarfile.TarInfo) -> None:
    """Raise BadArchive for all members of a tar file but plain files and folders."""
    name = plain(info.name)
    if info.issym() or info.islnk():
        raise BadArchive(f"'{name}' is a link to '{plain(info.linkname)}'")
    if info.isdir():
        return
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or info.issparse():
        raise BadArchive(f"'{name}' is not a plain file")
    check_rights(name, info.mode)
    # Python's own idea of what is harmless, which knows more platforms than we do.
    if hasattr(tarfile, "data_filter"):
        try:
            tarfile.data_filter(info, ".")
        except tarfile.TarError as error:
            raise BadArchive(f"'{name}': {error}") from error
