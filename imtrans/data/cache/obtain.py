"""Find the cache of these pairs, or build it, where that pays."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from time import monotonic, sleep

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair
from imtrans.data.cache.cache import Cache, PixelFormat, Unusable, Writer, kept
from imtrans.data.cache.fingerprint import fingerprint, located
from imtrans.data.cache.store import BUILDING, home, lock_of, make_room
from imtrans.data.reading import Reader, Sample
from imtrans.data.samples import Sampler
from imtrans.data.workers import in_parallel
from imtrans.host.locks import PAUSE, Locked, locked
from imtrans.host.machine import cores
from imtrans.host.words import size
from imtrans.recipe.sizes import Sides

PAYS = 3  # passes over the data: one builds the cache, and two decode nothing
Say = Callable[[str], None]
Bar = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


class NotCached(Exception):
    """Why there is no cache; training does without."""


def no_bar(doing: str, total: int) -> AbstractContextManager[Callable[[], None]]:
    """No progress is shown."""
    return nullcontext(lambda: None)


def obtain(
    sampler: Sampler,
    pairs: Sequence[Pair],
    *,
    passes: int,
    say: Say,
    bar: Bar = no_bar,
) -> Cache | None:
    """The cache of these pairs for this sampler (see `Sampler.reading`), or None when the recipe
    wants none or it does not pay or fit.

    `passes` is how often all pairs will be read. Two processes that ask at once build it once.
    Raises ImtransError when a pair cannot be read, or when data.cache = true and it cannot be.
    """
    if sampler.data.cache is False:
        return None
    try:
        return _Making(sampler, pairs, say, bar).obtain(passes)
    except (NotCached, OSError) as error:
        why = error if isinstance(error, NotCached) else _reason(error)
        if sampler.data.cache is True:
            raise ImtransError(f"data.cache = true, but: {why}") from error
        say(f"not cached: {why}")
        return None


class _Making:
    def __init__(self, sampler: Sampler, pairs: Sequence[Pair], say: Say, bar: Bar) -> None:
        self.sampler, self.data, self.pairs = sampler, sampler.data, pairs
        self.say, self.bar = say, bar
        self.read = ReadWhole(sampler.reader, pairs, sampler.load_size)

    def obtain(self, passes: int) -> Cache | None:
        self.fingerprint = self._fingerprint()
        folder = home() / self.fingerprint
        if not folder.is_dir() and self.data.cache == "auto" and passes < PAYS:
            return None
        home().mkdir(parents=True, exist_ok=True)
        cache = self._open(folder) or self._built_or_opened(folder)
        if cache is None:
            raise NotCached("another process removed it at once")
        self.say(f"reading {len(cache)} pairs from their cache, {size(cache.about.bytes)}")
        return cache

    def _open(self, folder: Path) -> Cache | None:
        try:
            cache = Cache(folder)
            cache.hold(lock_of(folder))
            return cache if folder.is_dir() else None  # removed before it was held
        except (Unusable, Locked):
            return None

    def _built_or_opened(self, folder: Path) -> Cache | None:
        """The cache, built here, or by another process meanwhile."""
        for waited in count():
            try:
                with locked(lock_of(folder)):
                    if not _is_whole(folder):  # whoever held the lock before may have built it
                        self._build(folder)
                return self._open(folder)
            except Locked:
                if waited == 0:
                    self.say("another run is at work on the cache of these pairs; waiting for it")
                sleep(PAUSE)
            # Once it is there, its readers share the lock, which nobody can have alone then.
            if cache := self._open(folder):
                return cache
        return None

    def _build(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)  # of an older version, or damaged
        building = folder.with_name(folder.name + BUILDING)
        shutil.rmtree(building, ignore_errors=True)  # of one that was killed: we hold the lock
        needed, limit = estimated_bytes(self.read), int(self.data.cache_limit * 1e9)
        if why := make_room(needed, limit):
            raise NotCached(why)
        self.say(f"caching {len(self.pairs)} pairs, about {size(needed)}, in {home()}")
        begun = monotonic()
        writer = Writer(building, located(self.data.root), self.sampler.load_size)
        try:
            self._write(writer, limit)
            writer.finish()
            self._refuse_changed()
            building.rename(folder)
        except BaseException:
            writer.discard()
            raise
        seconds = monotonic() - begun
        speed = len(self.pairs) / max(seconds, 1e-9)
        self.say(f"cached in {seconds:.1f} s ({speed:.0f} pairs/s)")

    def _write(self, writer: Writer, limit: int) -> None:
        workers = 0 if len(self.pairs) < 32 else cores()
        with self.bar("caching", len(self.pairs)) as advance:
            for both in in_parallel(self.read, len(self.pairs), workers):
                if isinstance(both, ImtransError):
                    raise both
                writer.append(*both)
                if writer.bytes > limit:
                    raise NotCached(f"more than data.cache_limit, which is {size(limit)}")
                advance()

    def _refuse_changed(self) -> None:
        if self._fingerprint() != self.fingerprint:
            raise NotCached("files changed while they were read")

    def _fingerprint(self) -> str:
        sampler = self.sampler
        return fingerprint(self.pairs, self.data, sampler.load_size, paired=sampler.paired)


class ReadWhole:
    """Reads the pair of an index at load size: what a worker does, and what the cache keeps."""

    def __init__(self, reader: Reader, pairs: Sequence[Pair], load_size: Sides) -> None:
        self.reader, self.pairs, self.load_size = reader, pairs, load_size

    def __call__(self, index: int) -> Sample | ImtransError:
        try:
            return self.reader.open(self.pairs[index], self.load_size).whole()
        except ImtransError as error:
            # Raised in a worker it would reach the user wrapped in the worker's traceback.
            return error


def estimated_bytes(read: ReadWhole) -> int:
    """How large a cache will be, from a few pairs; exact where all have one size. Raises
    ImtransError when one of them cannot be read."""
    count = len(read.pairs)
    some = range(0, count, max(1, count // 8))
    total = 0
    for index in some:
        both = read(index)
        if isinstance(both, ImtransError):
            raise both
        total += sum(PixelFormat.of(pixels).bytes(*pixels.shape[-2:]) for pixels in kept(*both))
    return total * count // len(some)


def _is_whole(folder: Path) -> bool:
    try:
        Cache(folder)
    except Unusable:
        return False
    return True


def _reason(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{(error.strerror or str(error)).lower()}"
