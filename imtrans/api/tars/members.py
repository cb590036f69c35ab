"""The members of an uncompressed tar file, each with the place of its bytes; damage is reported."""

import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator

from imtrans.api.errors import ImtransError

AGAIN = "copy or pack it again"
END = 2**20  # bytes looked at behind the last member
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
HEADER = tarfile.BLOCKSIZE  # bytes
NOTHING = bytes(HEADER)
MODULUS = 65521  # of Adler-32
# Name, size, a byte after it, checksum, two bytes after it, kind, and the prefix's first byte.
HEAD = struct.Struct("100s24x11sB12x6sBBB188xB")


# A member but no folder, which hold nothing: its name, the offset of its bytes in the tar file, how
# many they are, and why it cannot be read in place, with what to do: mostly "". A plain tuple:
# making two million named ones takes half a second.
Member = tuple[str, int, int, str]


class TarWindow(io.RawIOBase):
    """A file that is read forward in blocks: the headers of small members come many at a time, and
    large members are skipped. `fetch(start, end)` gives the bytes from `start` up to `end`."""

    def __init__(
        self, fetch: Callable[[int, int], bytes], size: int, *, block: int, least: int
    ) -> None:
        self.size, self.block, self.least = size, block, least
        self._fetch, self._at, self._start, self._held = fetch, 0, 0, b""

    def around(self, offset: int, count: int) -> tuple[bytes, int]:
        """Bytes held, and where they start; `count` of them from `offset` on, if there are any."""
        if offset >= self.size:
            return b"", offset
        if not self._start <= offset <= offset + count <= self._start + len(self._held):
            end = self._start + len(self._held)
            # Far behind what is held: members are large, and all between headers is skipped.
            far = offset < self._start or offset - end > self.block
            wanted = max(count, self.least if far else self.block)
            self._start, self._held = offset, self._fetch(offset, min(offset + wanted, self.size))
        return self._held, self._start

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self.size - self._at)
        count = left if size is None or size < 0 else min(size, left)
        held, start = self.around(self._at, count)
        found = held[self._at - start : self._at - start + count]
        self._at += len(found)
        return found


def members(tar: str, window: TarWindow) -> Iterator[Member]:
    """The members of a tar file, which is called `tar` in errors.

    Raises ImtransError unless the file is whole: the tarfile module passes over damage behind the
    first member, and what follows would be missing without a word.
    """
    _check_uncompressed(tar, window.read(8))
    last, offset = "", 0
    odd: _Odd | None = None
    try:
        while True:
            if odd is None or not odd.are_all:
                for last, place, size in _plain(*window.around(offset, HEADER), offset):
                    yield last, place, size, ""
                    offset = place + -(-size // HEADER) * HEADER
            held, start = window.around(offset, HEADER)
            header = held[offset - start : offset - start + HEADER]
            if offset and header == NOTHING:
                break
            if _is_plain(header, odd):
                continue
            odd = odd or _Odd(window)
            info = odd.member(offset)
            offset = odd.archive.offset
            if info is None:
                break
            last = info.name
            if not info.isdir():
                yield info.name, info.offset_data, info.size, _problem(info)
    except (tarfile.TarError, ValueError, OverflowError) as error:
        after = f" after '{last}'" if last else ""
        raise ImtransError(
            f"{tar}: no tar file, or cut off or damaged{after} ({error}). {AGAIN}"
        ) from error
    window.seek(offset)
    _check_end(tar, last, window.read(END))


def _plain(held: bytes, start: int, offset: int) -> Iterator[tuple[str, int, int]]:
    """Name, place and size of the plain files whose headers come one after another from `offset`
    on in the bytes held, which start at `start`. Up to the end, or to a header that is not as
    nearly all are: tarfile, which is much slower, is asked about those, and about damaged ones.
    """
    unpack, view = HEAD.unpack_from, memoryview(held)
    at, last = offset - start, len(held) - HEADER
    while at <= last:
        raw, digits, after, check, space, end, kind, prefix = unpack(held, at)
        if kind not in b"0\0" or after not in b"\0 " or space not in b"\0 ":
            return
        if not digits.isdigit() or not check.isdigit():
            return
        try:
            size, total = int(digits, 8), int(check, 8)
        except ValueError:
            return
        # The lower half of Adler-32 is 1 + the sum of all bytes, at the speed of C. The checksum
        # counts its own bytes as spaces.
        apart = total - 8 * 32 + sum(check) + space + end
        if (1 + apart) % MODULUS != zlib.adler32(view[at : at + HEADER]) & 0xFFFF:
            return
        name = raw.partition(b"\0")[0]
        if prefix:
            name = held[at + 345 : at + 500].partition(b"\0")[0] + b"/" + name
        if not name or name.endswith(b"/"):
            return
        place = start + at + HEADER
        yield name.decode("utf-8", "surrogateescape"), place, size
        at += HEADER + (size + HEADER - 1) // HEADER * HEADER


def _is_plain(header: bytes, odd: "_Odd | None") -> bool:
    """Whether it is the header of a plain file, which was only not all there."""
    return not (odd and odd.are_all) and any(_plain(header, 0, 0))


class _Odd:
    """What tarfile says of headers that are not plain: long names, links, sparse files, damage."""

    def __init__(self, window: TarWindow) -> None:
        self.window = window
        window.seek(0)
        self.archive = tarfile.open(fileobj=window, mode="r:", encoding="utf-8")

    @property
    def are_all(self) -> bool:
        """Whether a header holds for all members behind it: then none is plain."""
        return bool(self.archive.pax_headers)

    def member(self, offset: int) -> tarfile.TarInfo | None:
        """The member whose header begins here; None at the end, or at damage behind a member."""
        if offset:
            # It goes there by itself, and looks whether the member before is all there.
            self.archive.firstmember = None  # type: ignore[attr-defined]
            self.archive.offset = offset
            self.window.seek(0)
        info = self.archive.next()
        # It would keep them all.
        self.archive.members.clear()  # type: ignore[attr-defined]
        if info and info.size < 0:
            raise tarfile.ReadError("negative size")
        return info


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


def _problem(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return (
            f"'{info.name}' is a link to '{info.linkname}'. pack the files themselves: "
            "tar --dereference --hard-dereference"
        )
    if not info.isreg() or info.issparse():
        return f"'{info.name}' is not a plain file. leave it out, or pack a copy"
    return ""
