"""Whether a video file is shorter than it says: a download that stopped, a disk that was full.

Decoders just end earlier then. Only lengths are read here: of boxes (MP4, MOV: ISO 14496-12), of
the segment (Matroska, WebM: RFC 9559) and of the first chunk (AVI: RIFF).
"""

import os
from pathlib import Path
from typing import BinaryIO

BOXES = (b"mdat", b"moov", b"moof", b"ftyp")
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
MOST = 100_000  # boxes that are looked at


def is_cut_off(path: Path) -> bool:
    """Whether the file ends before it should, as far as its container says. Raises OSError."""
    length = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == EBML:
            return _segment_end(file) > length
        if start[:4] == b"RIFF":
            return int.from_bytes(start[4:8], "little") + 8 > length
        if start[4:8] in BOXES:
            return _boxes_end(file) > length
    return False


def _boxes_end(file: BinaryIO) -> int:
    """Where the last box of a kind that matters ends."""
    at = end = 0
    for _ in range(MOST):
        file.seek(at)
        head = file.read(16)
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if len(head) < 8 or size < 8:  # 0: as far as the file goes
            break
        at += size
        end = at if kind in BOXES else end
    return end


def _segment_end(file: BinaryIO) -> int:
    """Where the segment ends; 0 where its length was not known when it was begun."""
    file.seek(4)
    size = _number(file)
    file.seek(size or 0, os.SEEK_CUR)
    if size is None or file.read(4) != SEGMENT:
        return 0
    size = _number(file)
    return file.tell() + size if size is not None else 0


def _number(file: BinaryIO) -> int | None:
    """A number of one to eight bytes, whose first bits say of how many; None: not known."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    value = int.from_bytes(first + file.read(more), "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
