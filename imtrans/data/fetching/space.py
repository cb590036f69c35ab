"""Whether the disk has room: asked before, and reported when it had not."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.host.words import size

UNPACKED = 1.15  # bytes on the disk for each in the archive: images hardly shrink, files round up
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}  # the last one is a limit on the size of files


def check(folder: Path, download: int, archive: int) -> None:
    """Whether `download` more bytes, and what an archive of a size unpacks to, fit on this disk.

    Raises ImtransError otherwise.
    """
    needed = download + archive * UNPACKED
    free = shutil.disk_usage(folder).free
    if free < needed:
        what = "the archive and what it unpacks to" if download else "what the archive unpacks to"
        raise ImtransError(
            f"'{folder}' has {size(free)} free, and about {size(needed)} are needed for {what}. "
            "make room, or name another folder as DIR"
        )


@contextmanager
def telling_when_full(folder: Path) -> Iterator[None]:
    """Raises ImtransError when a write in the block finds the disk full."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise ImtransError(
            f"'{folder}': no space left on this disk. make room, and the same command continues"
        ) from error
