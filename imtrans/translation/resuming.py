"""What an output folder holds already, and of which translation: so that one continues.

A hidden file in the folder says what its results were made from. A result belongs to them when it
is whole, and newer than that file and than its input.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.errors import ImtransError, some
from imtrans.data.pixels.formats.complete import is_complete
from imtrans.host.files import write_whole
from imtrans.host.words import plain
from imtrans.translation.jobs import Job

RECORD = ".imtrans-translation.json"
MadeFrom = Mapping[str, str]


@dataclass(frozen=True)
class Record:
    """What the results in a folder were made from, and whether results older than the record may be
    replaced; `since`: its time, ns."""

    made_from: MadeFrom
    replaces: bool
    since: int


def remaining(jobs: Sequence[Job], output: Path, made_from: MadeFrom, overwrite: bool) -> list[Job]:
    """The jobs that are still to be done, and the record written that later ones continue from.

    With `overwrite`, that is all of them. Raises ImtransError when a result of another translation
    would be replaced without it.
    """
    record = _read(output)
    if overwrite or record is None or record.made_from != made_from:
        there = [str(place) for job in jobs for place in job.results if place.exists()]
        if there and not overwrite:
            raise ImtransError(_why_not(output, there, record, made_from))
        _write(output, made_from, overwrite)
        return list(jobs)
    left = [job for job in jobs if not all(_is_done(job, place, record) for place in job.results)]
    other = [str(place) for job in left for place in job.results if _is_older(place, record)]
    if other and not record.replaces:
        raise ImtransError(_why_not(output, other, record, made_from))
    return left


def _is_done(job: Job, place: Path, record: Record) -> bool:
    """Whether a result is there, of these inputs and of this translation."""
    try:
        written = place.stat().st_mtime_ns
        read = job.path.stat().st_mtime_ns
    except OSError:
        return False
    return written >= max(read, record.since) and is_complete(place)


def _is_older(place: Path, record: Record) -> bool:
    try:
        return place.stat().st_mtime_ns < record.since
    except OSError:
        return False


def _why_not(output: Path, there: Sequence[str], record: Record | None, made_from: MadeFrom) -> str:
    before = dict(record.made_from) if record else {}
    differs = [key for key in made_from if key in before and before[key] != made_from[key]]
    how = f" (with other {' and '.join(differs)})" if differs else ""
    return (
        f"{output}: holds results of another translation{how}: {some(there)}. add --overwrite to "
        "replace them, or choose another --output"
    )


def _read(output: Path) -> Record | None:
    path = output / RECORD
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        made_from, replaces = found["made from"], found["replaces"]
        texts = {plain(str(key), 60): str(value) for key, value in made_from.items()}
        return Record(texts, replaces is True, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # absent or damaged: what is there counts as another's


def _write(output: Path, made_from: MadeFrom, replaces: bool) -> None:
    text = json.dumps({"made from": dict(made_from), "replaces": replaces}, indent=1)
    try:
        write_whole(output / RECORD, text.encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImtransError(f"{output}: cannot be written: {reason}") from error
