"""What an output folder holds already, and of which translation: so that one continues.

A hidden file in the folder says what its results were made from, and since when. A result belongs
to them when it is whole, and newer than that and than its input.
"""

import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from imtrans.api.errors import ImtransError, some
from imtrans.data.pixels.formats.complete import is_complete
from imtrans.host.files import MARK, write_whole
from imtrans.host.share import Share
from imtrans.host.words import plain
from imtrans.translation.jobs import Job

RECORD = ".imtrans-translation.json"
TICK = 0.01  # s: files that are written one after the other may have the same time
MadeFrom = Mapping[str, str]
Owners = Mapping[str, tuple[str, int]]


@dataclass(frozen=True)
class Record:
    """What the results in a folder were made from `since` a time (ns), and whether older ones may
    be replaced. `owners`: of results whose name depends on which inputs there are, below the
    folder, the input's name, and since when it is that one's. Where `of` shares replace what is
    there, `finished` are the numbers of those that did."""

    made_from: MadeFrom
    replaces: bool
    since: int
    owners: Owners
    of: int = 1
    finished: frozenset[int] = frozenset()

    def is_replaced_by(self, share: Share) -> bool:
        """Whether what is there is being replaced by these shares, and not all have done so."""
        return self.replaces and not share.is_all and self.of == share.of > len(self.finished)


def remaining(
    jobs: Sequence[Job],
    output: Path,
    made_from: MadeFrom,
    overwrite: bool,
    share: Share = Share(),  # noqa: B008  # which is frozen
    *,
    beside: bool = False,
) -> list[Job]:
    """The jobs of a share that are still to be done, and the record written that later ones, and
    other shares, continue from. `beside`: whether other shares are at work there.

    With `overwrite`, that is all of them; the shares of one overwriting begin one record together,
    and one that was stopped continues. Raises ImtransError when a result of another translation
    would be replaced without it.
    """
    record, now = _read(output), _now(output)
    fits = record is not None and record.made_from == made_from
    if beside and not fits:
        raise ImtransError(_why_not_beside(output, record, made_from))
    goes_on = not overwrite or beside or (record is not None and record.is_replaced_by(share))
    if record is None or not (fits and goes_on):
        there = [str(place) for job in jobs for place in job.results if os.path.exists(place)]
        if there and not overwrite:
            raise ImtransError(_why_not(output, there, record, made_from))
        record = Record(made_from, overwrite, now, {}, share.of)
        _write(output, replace(record, owners=_owners(jobs, output, record, now)))
        return share.picked(jobs)
    before = record
    if record.of != share.of:  # whatever these were replacing, others continue it now
        record = replace(record, of=1, finished=frozenset())
    record = replace(record, owners=_owners(jobs, output, record, now))
    if record != before:
        _write(output, record)
    mine = share.picked(jobs)
    if overwrite and (share.number in record.finished or not record.is_replaced_by(share)):
        return mine
    return _unfinished(mine, output, record, now)


def note_finished(output: Path, share: Share) -> None:
    """A share has done what was left for it."""
    record = _read(output)
    if record and record.is_replaced_by(share) and share.number not in record.finished:
        _write(output, replace(record, finished=record.finished | {share.number}))


def _unfinished(jobs: Sequence[Job], output: Path, record: Record, now: int) -> list[Job]:
    """Those whose results are not there yet, whole and of this record."""
    since = {output / name: when for name, (_, when) in record.owners.items()}

    def is_done(job: Job) -> bool:
        read = _time_read(job, now)
        return read is not None and all(
            _is_newer(place, max(read, since.get(place, 0), record.since)) and is_complete(place)
            for place in job.results
        )

    left = [job for job in jobs if not is_done(job)]
    other = [str(place) for job in left for place in job.results if _is_older(place, record)]
    if other and not record.replaces:
        raise ImtransError(_why_not(output, other, record, record.made_from))
    return left


def _now(output: Path) -> int:
    """The time by the clock of that disk (ns), later than that of anything there."""
    time.sleep(TICK)
    (output / MARK).touch()
    return (output / MARK).stat().st_mtime_ns


def _owners(jobs: Sequence[Job], output: Path, record: Record, now: int) -> Owners:
    """Whose the results are that are shared, or were: what another input left there is not this
    one's, however new it is."""
    owners = dict(record.owners)
    for job in jobs:
        for place in job.results:
            name = place.relative_to(output).as_posix()
            if (job.is_shared or name in owners) and owners.get(name, ("",))[0] != job.path.name:
                owners[name] = job.path.name, now
    return owners


def _time_read(job: Job, now: int) -> int | None:
    """When what is read was last changed (ns); a time that is yet to come says nothing. None: it
    cannot be read."""
    try:
        paths = [job.path, job.mask] if job.mask else [job.path]
        times = [path.stat().st_mtime_ns for path in paths]
    except (OSError, ValueError):
        return None
    return max(when if when <= now else 0 for when in times)


def _is_newer(place: Path, when: int) -> bool:
    try:
        found = place.stat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_mtime_ns >= when


def _is_older(place: Path, record: Record) -> bool:
    try:
        found = place.stat()
    except (OSError, ValueError):
        return False
    return not stat.S_ISDIR(found.st_mode) and found.st_mtime_ns < record.since


def _why_not(output: Path, there: Sequence[str], record: Record | None, made_from: MadeFrom) -> str:
    differs = _differs(record, made_from)
    how = f" (with other {' and '.join(differs)})" if differs else ""
    return (
        f"{output}: holds results of another translation{how}: {some(there)}. add --overwrite to "
        "replace them, or choose another --output"
    )


def _why_not_beside(output: Path, record: Record | None, made_from: MadeFrom) -> str:
    differs = _differs(record, made_from) or ["options"]
    use = " (name one --precision for all)" if "precision" in differs else ""
    return (
        f"{output}: other shares are translated there with other {' and '.join(differs)}. use the "
        f"same for all shares{use}, or choose another --output"
    )


def _differs(record: Record | None, made_from: MadeFrom) -> list[str]:
    """What of it is not as in a record."""
    before = record.made_from if record else {}
    return [key for key in made_from if key in before and before[key] != made_from[key]]


def _read(output: Path) -> Record | None:
    try:
        found = json.loads((output / RECORD).read_text(encoding="utf-8"))
        made_from, replaces = found["made from"], found["replaces"]
        texts = {plain(str(key), 60): str(value) for key, value in made_from.items()}
        owners = {str(name): (str(of), int(since)) for name, (of, since) in found["owners"].items()}
        of, finished = int(found.get("of", 1)), frozenset(map(int, found.get("finished", ())))
        return Record(texts, replaces is True, int(found["since"]), owners, of, finished)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # absent or damaged: what is there counts as another's


def _write(output: Path, record: Record) -> None:
    found = {
        "made from": dict(record.made_from),
        "replaces": record.replaces,
        "since": record.since,
        "owners": dict(record.owners),
        "of": record.of,
        "finished": sorted(record.finished),
    }
    try:
        write_whole(output / RECORD, json.dumps(found, indent=1).encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImtransError(f"{output}: cannot be written: {reason}") from error
