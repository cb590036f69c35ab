"""The members of an uncompressed tar file, each with the place of its bytes; damage is reported."""

import tarfile
from collections.abc import Iterator

from imtrans.api.errors import ImtransError

AGAIN = "copy or pack it again"
END = 2**20  # bytes looked at behind the last member
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def scan(tar: str) -> Iterator[tarfile.TarInfo]:
    """The members of a tar file but its folders, which every `tar` writes and which hold nothing.

    Raises ImtransError unless the file is whole: the tarfile module passes over damage behind the
    first member, and what follows would be missing without a word.
    """
    with open(tar, "rb") as file:
        _check_uncompressed(tar, file.read(8))
        file.seek(0)
        last = ""
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                while (info := archive.next()) is not None:
                    # It would keep them all.
                    archive.members.clear()  # type: ignore[attr-defined]
                    last = info.name
                    if info.size < 0:
                        raise tarfile.ReadError("negative size")
                    if not info.isdir():
                        yield info
                end = archive.offset
        except (tarfile.TarError, ValueError, OverflowError) as error:
            after = f" after '{last}'" if last else ""
            raise ImtransError(
                f"{tar}: no tar file, or cut off or damaged{after} ({error}). {AGAIN}"
            ) from error
        file.seek(end)
        _check_end(tar, last, file.read(END))


def _check_uncompressed(tar: str, start: bytes) -> None:
    for magic, kind in COMPRESSED.items():
        if start.startswith(magic):
            raise ImtransError(
                f"{tar}: compressed with {kind}, so that no member can be found without reading "
                "all before it. unpack it to a plain .tar; images are compressed already"
            )


def _check_end(tar: str, last: str, end: bytes) -> None:
    """A tar file ends with blocks of zeros, and nothing after them."""
    if len(end) < tarfile.BLOCKSIZE:
        raise ImtransError(f"{tar}: cut off after '{last}': its end mark is missing. {AGAIN}")
    if any(end[: tarfile.BLOCKSIZE]):
        raise ImtransError(f"{tar}: damaged after '{last}'. {AGAIN}")
    if any(end):
        raise ImtransError(
            f"{tar}: something follows its end, after '{last}'. tar files are joined with "
            "'tar --concatenate', not with 'cat'; or leave them apart"
        )


def check_name(tar: str, member: str) -> None:
    if member.startswith("/") or ".." in member.split("/"):
        raise ImtransError(
            f"{tar}: '{member}' would leave the folder it is unpacked to. pack it with paths "
            "below the current folder"
        )


def check_kind(tar: str, info: tarfile.TarInfo) -> None:
    if info.issym() or info.islnk():
        raise ImtransError(
            f"{tar}: '{info.name}' is a link to '{info.linkname}'. pack the files themselves: "
            "tar --dereference --hard-dereference"
        )
    if not info.isreg() or info.issparse():
        raise ImtransError(
            f"{tar}: '{info.name}' is not a plain file. leave it out, or pack a copy"
        )
