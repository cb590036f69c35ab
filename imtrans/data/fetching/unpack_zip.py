"""Unpack a ZIP file that may be damaged or malicious into an empty folder.

A ZIP file has its list of members at its end. Nothing is believed that is not looked at: the size
of that list before it is read, every member before it is opened, every byte by its checksum.
"""

import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from imtrans.data.fetching.members import BadArchive, Budget, check_rights, is_image, path_below
from imtrans.data.fetching.space import telling_when_full
from imtrans.data.fetching.unpack import write_member
from imtrans.data.fetching.watch import Watch
from imtrans.host.words import plain

END = struct.Struct("<4s4H2LH")  # the record that every ZIP file ends with
LOCATOR = 20  # bytes before it, if it is of the format for more than 4 GB or 65,535 members
LISTED = 512  # bytes in the list for one member, on average at most
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
ENCRYPTED = 1
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    struct.error,
)


def unpack_zip(archive: Path, folder: Path, top: str, budget: Budget, watch: Watch) -> int:
    """Unpack the images below the archive's folder `top` into `folder`, which is empty.

    Returns how many other files were left out. Nothing is written outside of `folder`: only plain
    files are, each under a name that was not there before. Raises BadArchive, with the member.
    """
    watch.begin("unpacking", archive.stat().st_size)
    last, left_out, done = "", 0, 0
    try:
        with open(archive, "rb") as file:
            _check_end(file, budget)
            with zipfile.ZipFile(file) as packed:
                for info in packed.infolist():
                    left_out += not _unpack_member(packed, info, folder, top, budget)
                    last, done = f" after '{plain(info.filename)}'", done + info.compress_size
                    watch.reach(done)
    except DAMAGE as error:
        raise BadArchive(f"cut off, damaged, or no .zip{last} ({plain(error)})") from error
    return left_out


def _check_end(file: IO[bytes], budget: Budget) -> None:
    """The end must be whole, and its list of members short enough to be read into memory."""
    size = file.seek(0, 2)
    file.seek(max(0, size - END.size - LOCATOR))
    end = file.read()
    if len(end) < END.size:
        raise zipfile.BadZipFile("too short")
    signature, *_, members, listed, _, comment = END.unpack(end[-END.size :])
    if signature != b"PK\x05\x06" or comment:
        raise zipfile.BadZipFile("it does not end as a ZIP file does")
    if end[: -END.size].startswith(b"PK\x06\x07"):
        raise BadArchive("is a ZIP file of the format for more than 4 GB, which no such set needs")
    if members > budget.files or listed > LISTED * max(members, 1):
        raise BadArchive(f"lists {members} members in {listed} bytes, more than such a set has")


def _unpack_member(
    packed: zipfile.ZipFile, info: zipfile.ZipInfo, folder: Path, top: str, budget: Budget
) -> bool:
    """Write one member, or make its folder; False for a file that is no image."""
    path = path_below(info.orig_filename.removesuffix("/"), top)
    _check_kind(info)
    budget.spend(info.filename, info.file_size)
    if path is None:
        return info.is_dir()
    if not info.is_dir() and not is_image(path):
        return False
    with telling_when_full(folder.parent):
        try:
            if info.is_dir():
                write_member(folder / path, None)
                return True
            with packed.open(info) as content:
                written = write_member(folder / path, content)
        except (FileExistsError, NotADirectoryError) as error:
            raise BadArchive(f"'{plain(info.filename)}' is there twice") from error
    if written != info.file_size:
        raise BadArchive(f"'{plain(info.filename)}' has {written} of {info.file_size} bytes")
    return True


def _check_kind(info: zipfile.ZipInfo) -> None:
    name, mode = plain(info.filename), info.external_attr >> 16  # 0 unless made on Unix
    if stat.S_ISLNK(mode):
        raise BadArchive(f"'{name}' is a link")
    if stat.S_IFMT(mode) not in (0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG):
        raise BadArchive(f"'{name}' is not a plain file")
    if not info.is_dir():
        check_rights(name, mode)
    if info.flag_bits & ENCRYPTED:
        raise BadArchive(f"'{name}' is encrypted")
    if info.compress_type not in KINDS:
        raise BadArchive(f"'{name}' is packed in a way that such sets are not")
