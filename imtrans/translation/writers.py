"""Who writes into a folder of results: one process alone, or shares of one translation.

Of a folder OUTPUT, all of it hidden:
    .imtrans                      locked by who translates alone, or by all shares together
    .imtrans-entry                locked while a share finds out what is left for it
    .imtrans-share-3-of-8-1f2e3d  locked while share 3 is at work; `1f2e3d` says on which images

The system releases a lock when its holder ends, however it ends: what is left of a share that was
killed stops nobody.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.host.files import MARK, beside, mark
from imtrans.host.locks import Locked, locked
from imtrans.host.share import Share
from imtrans.translation.jobs import Job
from imtrans.translation.resuming import note_finished, remaining

ENTRY, SHARE = ".imtrans-entry", ".imtrans-share"


@contextmanager
def entered(
    output: Path | None,
    jobs: Sequence[Job],
    share: Share,
    made_from: Mapping[str, str],
    overwrite: bool,
) -> Iterator[list[Job]]:
    """Which jobs of a share are left to be done in the folder `output`, which is marked as made by
    imtrans; without one, the files of all jobs. Only other shares of the same jobs write there
    during the block.

    Raises ImtransError when another translation writes there, or has written there.
    """
    if output is None:
        with alone_at(jobs):
            yield share.picked(jobs)
        return
    with _nobody_else_in(output, shared=not share.is_all), ExitStack() as stack:
        if share.is_all:
            _at_work(output)  # which removes what killed shares have left
            yield remaining(jobs, output, made_from, overwrite)
            return
        with _entry(output):
            own = output / _name(share, _plan(jobs, output))
            others = _others(output, own, share)
            stack.enter_context(_marked(own, output, share))
            left = remaining(jobs, output, made_from, overwrite, share, beside=others)
        yield left
        with _entry(output):
            note_finished(output, share)


@contextmanager
def alone_at(jobs: Sequence[Job]) -> Iterator[None]:
    """Let no other translation write the result of one image meanwhile."""
    with ExitStack() as stack:
        for place in (job.results[0] for job in jobs):
            lock = beside(place, "lock")
            try:
                stack.enter_context(locked(lock))
            except Locked as error:
                raise ImtransError(
                    f"{place}: another translation writes it. wait for it, or choose another "
                    "--output"
                ) from error
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise ImtransError(f"{place}: cannot be written: {reason}") from error
            stack.callback(lock.unlink, missing_ok=True)
        yield


@contextmanager
def _nobody_else_in(output: Path, *, shared: bool) -> Iterator[None]:
    try:
        mark(output)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImtransError(f"{output}: cannot be written: {reason}") from error
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(output / MARK, shared=shared))
        except Locked as error:
            raise ImtransError(
                f"{output}: another translation writes there. wait for it, or choose another "
                "--output"
            ) from error
        yield


@contextmanager
def _entry(output: Path) -> Iterator[None]:
    """One share after the other."""
    with locked(output / ENTRY, wait=True):
        try:
            yield
        finally:
            (output / ENTRY).unlink(missing_ok=True)


@contextmanager
def _marked(own: Path, output: Path, share: Share) -> Iterator[None]:
    """Show the other shares that this one is at work."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(own))
        except Locked as error:
            raise ImtransError(
                f"{output}: share {share.named} is being translated by another process; wait for "
                "it, or choose another share"
            ) from error
        stack.callback(own.unlink, missing_ok=True)
        yield


def _others(output: Path, own: Path, share: Share) -> bool:
    """Whether other shares of the same jobs are at work. Raises ImtransError where shares of others
    are."""
    same = {_name(one, own.name.rpartition("-")[2]) for one in share.all()}
    found = _at_work(output)
    if found - same:
        raise ImtransError(
            f"{output}: shares of another translation are written there: of other images, or of "
            f"another number than {share.named.of}. wait for them, or choose another --output"
        )
    return bool(found - {own.name})


def _at_work(output: Path) -> set[str]:
    """The marks of shares at work. Those that killed ones have left are removed."""
    found = set()
    for path in output.glob(f"{SHARE}-*"):
        try:
            with locked(path):
                path.unlink(missing_ok=True)
        except Locked:
            found.add(path.name)
    return found


def _name(share: Share, plan: str) -> str:
    return f"{SHARE}-{share.number}-of-{share.of}-{plan}"


def _plan(jobs: Sequence[Job], output: Path) -> str:
    """Equal where the same files are read and written, wherever the folders are mounted."""
    found = hashlib.sha256()
    for job in jobs:
        names = job.path.name, *(place.relative_to(output).as_posix() for place in job.results)
        found.update(os.fsencode("\0".join((*names, ""))))
    return found.hexdigest()[:12]
