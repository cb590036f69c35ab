"""From the name of a published set to a folder that a recipe trains on: complete, or not there."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial as bind
from pathlib import Path, PurePosixPath

from imtrans.api.errors import ImtransError
from imtrans.data.fetching import space
from imtrans.data.fetching.download import Terms, Unreachable, download
from imtrans.data.fetching.members import BadArchive, Budget, is_image
from imtrans.data.fetching.partial import Partial
from imtrans.data.fetching.sets import ZIP, Kind, PublishedSet
from imtrans.data.fetching.unpack import unpack
from imtrans.data.fetching.unpack_zip import unpack_zip
from imtrans.data.fetching.watch import Watch
from imtrans.host.files import MARK, is_ours, mark
from imtrans.host.locks import Locked, locked
from imtrans.host.words import size


@dataclass(frozen=True)
class Source:
    """Where an archive comes from, and what is known of it; `sha256` in lower-case hex."""

    address: str
    sha256: str | None = None
    keep: bool = False  # the archive, once it is unpacked


def fetch(which: PublishedSet, folder: Path, source: Source, watch: Watch) -> bool:
    """Make `folder` the published set, with its splits in it. False when it was that already.

    Beside it, DIR.tar.gz.partial (or DIR.zip.partial) grows until all is here; DIR.tar.gz, put
    there by hand, is unpacked instead. Raises ImtransError; the same call continues where it
    stopped.
    """
    folder = _checked(folder)
    if _is_fetched(folder, which):
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder, which.kind):
        if _is_fetched(folder, which):
            return False  # by another process, which had the lock before
        by_hand = _beside(folder, which.kind)
        if by_hand.is_file():
            _unpack(by_hand, which, folder, source, watch, "remove it, and the same command")
            Partial(_beside(folder, which.kind, ".partial"), source.address).remove()
        else:
            _fetch_and_unpack(which, folder, source, watch)
    return True


def images(folder: Path) -> dict[str, int]:
    """How many images each split of a fetched set has."""
    splits = sorted(path for path in folder.iterdir() if path.is_dir())
    counts = {
        path.name: sum(is_image(PurePosixPath(f)) for f in path.rglob("*")) for path in splits
    }
    return {name: count for name, count in counts.items() if count}


def _fetch_and_unpack(which: PublishedSet, folder: Path, source: Source, watch: Watch) -> None:
    partial = Partial(_beside(folder, which.kind, ".partial"), source.address)
    partial.refuse_what_is_no_file()
    _announce(partial, which, folder, watch)
    least, most = which.size // 2, which.size * 3 // 2
    if source.sha256:
        least, most = 0, 2**63  # whoever knows the checksum knows the file
    room = bind(space.check, folder.parent)
    try:
        download(partial, Terms(which.kind, least, which.size, most, room), watch)
    except Unreachable as error:
        raise Unreachable(
            f"{error}. when there is a network the same command continues; or name another "
            f"server with --mirror URL, or put the archive there by hand, as "
            f"'{_beside(folder, which.kind)}'"
        ) from error
    try:
        _unpack(partial.path, which, folder, source, watch, "it was removed; the same command")
    except BadArchive:
        partial.remove()
        raise
    if source.keep:
        partial.keep_as(_beside(folder, which.kind))
    partial.remove()


def _announce(partial: Partial, which: PublishedSet, folder: Path, watch: Watch) -> None:
    if partial.complete:
        return
    if partial.useless:
        watch.say(f"'{partial.path}' is not from {partial.note.address}: starting from zero")
    doing = f"continuing after {size(partial.have)}" if partial.have else "fetching"
    watch.say(f"{doing}: {partial.note.address}, about {size(which.size)}, to {folder}")


def _unpack(
    archive: Path, which: PublishedSet, folder: Path, source: Source, watch: Watch, advice: str
) -> None:
    """Unpack beside the folder, then rename. Raises BadArchive, with what to do about it."""
    length = archive.stat().st_size
    room_for = Budget(2 * which.images + 1000, 2 * max(which.size, length) + 2**20)
    fresh = folder.with_name(f".{folder.name}.unpacking")
    space.check(folder.parent, 0, length)
    try:
        if source.sha256:
            _check_sum(archive, source.sha256, watch)
        with _cleared(fresh, which.name):
            unpacking = unpack_zip if which.kind is ZIP else unpack
            left_out = unpacking(archive, fresh, which.name, room_for, watch)
            found = images(fresh)
            missing = [split for split in which.splits if split not in found]
            if missing:
                raise BadArchive(f"holds no images in '{missing[0]}'")
            _put(fresh, folder)
    except BadArchive as error:
        raise BadArchive(f"'{archive}': {error}. {advice} fetches it again") from error
    if left_out:
        watch.say(f"{left_out} files that are no images were left out")


def _check_sum(archive: Path, sha256: str, watch: Watch) -> None:
    digest = hashlib.sha256()
    watch.begin("checking", archive.stat().st_size)
    with open(archive, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
            watch.reach(file.tell())
    if digest.hexdigest() != sha256:
        raise BadArchive(f"its sha256 is {digest.hexdigest()}, not {sha256}")


def _put(fresh: Path, folder: Path) -> None:
    """Let the complete folder appear, its files on the disk before its name."""
    if hasattr(os, "sync"):
        os.sync()
    if folder.is_dir():
        folder.rmdir()  # empty, as _is_fetched has seen; some systems do not rename over it
    os.rename(fresh, folder)


@contextmanager
def _cleared(fresh: Path, name: str) -> Iterator[None]:
    """An empty folder to unpack into, without what a killed process left there; gone after."""
    if fresh.exists() and not is_ours(fresh) and any(fresh.iterdir()):
        raise ImtransError(f"'{fresh}' is in the way, and imtrans did not make it. move it")
    shutil.rmtree(fresh, ignore_errors=True)
    mark(fresh)
    (fresh / MARK).write_text(f"{name}\n")  # which of the sets it is
    try:
        yield
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


@contextmanager
def _alone(folder: Path, kind: Kind) -> Iterator[None]:
    """Two processes must not write the same partial file."""
    lock = _beside(folder, kind, ".lock")
    try:
        with locked(lock):
            try:
                yield
            finally:
                with suppress(OSError):  # Windows keeps an open file
                    lock.unlink()
    except Locked as error:
        raise Locked(
            f"'{folder}' is being fetched by another process already. wait until it has ended"
        ) from error


def _checked(folder: Path) -> Path:
    """The folder that would be made, links followed. Raises ImtransError where none can be."""
    real = folder.resolve()
    if folder.exists() and not folder.is_dir():
        raise ImtransError(f"'{folder}' is a file. name a new folder")
    if not real.name or real == Path.cwd():
        raise ImtransError(f"'{folder}' is no folder to be made. name a new one")
    # So that messages have it as it was written, where that is the same place.
    return real if folder.is_symlink() or folder.name in ("", "..") else folder


def _is_fetched(folder: Path, which: PublishedSet) -> bool:
    """Whether the set is there. Raises ImtransError when something else is."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    has_splits = all((folder / split).is_dir() for split in which.splits)
    if has_splits and is_ours(folder):
        made = (folder / MARK).read_text(errors="replace").strip()  # which of the sets
        if made == which.name:
            return True
    hint = ". to train on what is in it, nothing needs to be fetched" if has_splits else ""
    raise ImtransError(
        f"'{folder}' is not empty, and is not what this command makes. move it, or name another "
        f"folder: imtrans data fetch {which.name} DIR{hint}"
    )


def _beside(folder: Path, kind: Kind, ending: str = "") -> Path:
    """The archive of a folder, or what belongs to it."""
    return folder.with_name(f"{folder.name}{kind.suffix}{ending}")
