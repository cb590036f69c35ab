"""Where runs and caches will be written, and whether there is room."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from imtrans.checking.machine.finding import Finding
from imtrans.data.cache.store import SPARE, entries, home
from imtrans.host.words import size

# A checkpoint of unet_256 and patch_70 with its moments is 0.7 GB; two are kept, and a third is
# written before the oldest goes.
CHECKPOINTS = int(2.1e9)


def places(runs: Path) -> Iterator[Finding]:
    """The disk of the runs, and that of the caches."""
    yield _runs(runs)
    yield _caches()


def _runs(folder: Path) -> Finding:
    there = existing(folder)
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK | os.X_OK):
        said = f"{folder}: {there} cannot be written to. train elsewhere: --run-dir DIR"
        return Finding("runs", said, "wrong")
    if free < CHECKPOINTS:
        said = (
            f"{size(free)} free for {folder}: the checkpoints of a U-Net take {size(CHECKPOINTS)}"
        )
        return Finding("runs", said, "wrong")
    return Finding("runs", f"{folder}, {size(free)} free")


def _caches() -> Finding:
    there = existing(home())
    if not os.access(there, os.W_OK | os.X_OK):
        said = (
            f"{home()} cannot be written to: pairs are decoded anew each epoch. set IMTRANS_CACHE"
        )
        return Finding("caches", said, "note")
    kept = entries()
    taken = f"{len(kept)} in {home()}, {size(sum(entry.bytes for entry in kept))}"
    free = shutil.disk_usage(there).free
    if free < SPARE:
        said = (
            f"{taken}; only {size(free)} free: nothing more is cached. imtrans data cache --clear"
        )
        return Finding("caches", said, "note")
    return Finding("caches", f"{taken}; {size(free)} free")


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    folder = folder.absolute()
    return next(place for place in (folder, *folder.parents) if place.is_dir())
