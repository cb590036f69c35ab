"""What runs leave behind that nobody needs, and its removal.

Only names that imtrans itself gives are looked at, and nothing that a link leads to.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imtrans.api.errors import ImtransError
from imtrans.runs import checkpoint
from imtrans.runs.checksums import verify
from imtrans.runs.header import read_headers
from imtrans.runs.listing import is_run, newest_whole
from imtrans.runs.run_dir import alone_in, is_trained_in

CHECKPOINT = re.compile(r"step_\d+")
PARTIAL = re.compile(r"\.(step_\d+|best)\.(partial|gone)")
OLD = re.compile(r"\.(step_\d+|best)\.old")
DAMAGED = re.compile(r"step_\d+\.damaged(-\d+)?")
FILES = re.compile(r"\.(recipe\.toml|(metrics|validation|sessions)\.jsonl|report\.html)\.partial")
SAMPLES = re.compile(r"\.step_\d+\.png\.partial")
ASIDE = re.compile(r".+\.old-\d+")


@dataclass(frozen=True)
class Removable:
    """A file or a folder of a run that nobody needs."""

    run: Path
    path: Path
    why: str
    bytes: int


@dataclass(frozen=True)
class CleaningOptions:
    """What else is to go, beside what is half written or damaged."""

    checkpoints: bool = False  # all but the newest and the best of each run
    aside: bool = False  # runs that --fresh moved aside, as a whole


def removables(runs: Sequence[Path], options: CleaningOptions) -> Iterator[Removable]:
    """What may go from these runs; a run in which somebody trains has nothing."""
    for run in runs:
        if not is_trained_in(run):
            yield from _of_run(run, options)


def remove(found: Sequence[Removable], options: CleaningOptions) -> Iterator[Removable | str]:
    """Remove what was found, each time either what is gone or why something is not."""
    for run in dict.fromkeys(one.run for one in found):
        agreed = {one.path for one in found if one.run == run}
        try:
            # Found again: meanwhile somebody may have trained there.
            with alone_in(run):
                for one in list(_of_run(run, options)):
                    if one.path in agreed:
                        yield _removed(one)
        except ImtransError as error:
            yield str(error)


def _removed(one: Removable) -> Removable | str:
    path = one.path
    try:
        if not path.is_dir():
            path.unlink()
        elif CHECKPOINT.fullmatch(path.name):
            checkpoint.remove(path)
        else:
            shutil.rmtree(path)
    except ImtransError as error:
        return str(error)
    except OSError as error:
        return f"{path}: cannot be removed: {(error.strerror or str(error)).lower()}"
    return one


def _of_run(run: Path, options: CleaningOptions) -> Iterator[Removable]:
    if options.aside and ASIDE.fullmatch(run.name) and is_run(run) and not run.is_symlink():
        yield Removable(run, run, "run renamed by --fresh", _bytes(run))
        return
    for path, why in (*_leftovers(run), *(_superfluous(run) if options.checkpoints else ())):
        if not path.is_symlink():
            yield Removable(run, path, why, _bytes(path))


def _leftovers(run: Path) -> Iterator[tuple[Path, str]]:
    for folder, pattern in ((run, FILES), (run / "samples", SAMPLES)):
        for path in _named(folder, pattern):
            yield path, "half written"
    folder = run / "checkpoints"
    for path in _named(folder, PARTIAL):
        yield path, "half written or half removed"
    for path in _named(folder, OLD):
        # Killed between two renames, a save leaves the old one alone: then it is the only one.
        if path.with_name(path.name.removeprefix(".").removesuffix(".old")).exists():
            yield path, "replaced"
    if newest_whole(run):
        for path in _named(folder, DAMAGED):
            yield path, "damaged"


def _superfluous(run: Path) -> Iterator[tuple[Path, str]]:
    """The checkpoints before the newest that is what it was when it was written."""
    there = checkpoint.checkpoints(run)
    for index in reversed(range(len(there))):
        if _is_sound(there[index]):
            for path in there[:index]:
                yield path, "older checkpoint"
            return


def _is_sound(path: Path) -> bool:
    """Whether a checkpoint may be the only one left: its sums are computed."""
    try:
        read_headers(path)
        verify(path)
    except (ImtransError, OSError):
        return False
    return True


def _named(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    if not folder.is_dir() or folder.is_symlink():
        return []
    return sorted(path for path in folder.iterdir() if pattern.fullmatch(path.name))


def _bytes(path: Path) -> int:
    if not path.is_dir():
        return path.lstat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
