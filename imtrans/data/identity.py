"""Whether a data set is still the one it was, by names, sizes and times: no pixel is read."""

import hashlib
import os
from collections.abc import Sequence

from imtrans.api.pictures import Pair, Picture, summary_of


def files_sum(pairs: Sequence[Pair]) -> str:
    """A sum over the files of pairs, 16 hexadecimal digits: other names, sizes or times of change
    give another. Where they are kept is no part of it. A missing file counts as missing."""
    digest = hashlib.sha256()
    if summary := summary_of(pairs):
        for picture in summary.files:
            digest.update(_stated(picture).encode("utf-8", "surrogateescape"))
        digest.update(summary.digest)
        return digest.hexdigest()[:16]
    stated: dict[str, str] = {}
    for pair in pairs:
        digest.update(pair.name.encode("utf-8", "surrogateescape"))
        for picture in (*pair.a, *pair.b):
            if picture.path not in stated:
                stated.clear()  # the next pairs are in other files, or all in the same tar
                stated[picture.path] = _stated(picture)
            place = (picture.half, picture.member, picture.offset, picture.size)
            digest.update(f"{place} {stated[picture.path]}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _stated(picture: Picture) -> str:
    path = picture.path
    if picture.store is not None:
        return f"{path.rpartition('/')[2]} {picture.store.version}"
    try:
        found = os.stat(path)
    except OSError:
        return "missing"
    return f"{os.path.basename(path)} {found.st_size} {found.st_mtime_ns}"
