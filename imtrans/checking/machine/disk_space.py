"""The disks of runs and caches: whether they can be written to, and have enough space."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from imtrans.checking.finding import Finding
from imtrans.data.cache.store import SPARE, entries, home
from imtrans.host.words import size

# A checkpoint of unet_256 and patch_70 with Adam's moments is 0.7 GB; two are kept, and a third is
# written before the oldest is removed.
CHECKPOINTS = int(2.1e9)


def disks(runs: Path) -> Iterator[Finding]:
    """The disk of the runs, and that of the caches."""
    yield _runs(runs)
    yield _caches()


def _runs(folder: Path) -> Finding:
    parent = existing(folder)
    free = shutil.disk_usage(parent).free
    if not os.access(parent, os.W_OK | os.X_OK):
        message = f"{folder}: {parent} cannot be written to"
        return Finding("runs", message, "error", remedy="choose another folder: --run-dir DIR")
    if free < CHECKPOINTS:
        message = f"{size(free)} free for {folder}; the checkpoints of a U-Net need "
        message += size(CHECKPOINTS)
        remedy = "free some space, or choose another folder: --run-dir DIR"
        return Finding("runs", message, "error", remedy=remedy)
    return Finding("runs", f"{folder}, {size(free)} free")


def _caches() -> Finding:
    parent = existing(home())
    if not os.access(parent, os.W_OK | os.X_OK):
        message = f"{home()} cannot be written to, so pairs are decoded again in every epoch"
        return Finding("caches", message, "note", remedy="set IMTRANS_CACHE to another folder")
    kept = entries()
    message = f"{len(kept)} in {home()}, {size(sum(entry.bytes for entry in kept))}"
    free = shutil.disk_usage(parent).free
    if free < SPARE:
        message += f"; only {size(free)} free, so nothing more is cached"
        return Finding("caches", message, "note", remedy="imtrans data cache --clear")
    return Finding("caches", f"{message}; {size(free)} free")


def existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())
