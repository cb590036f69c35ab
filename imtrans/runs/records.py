"""Lines of JSON, one a step: what a run has measured."""

import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from imtrans.host.files import write_whole
from imtrans.host.foreign import FAULTS


class Records:
    """A file of records that each name their step; none is there twice. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Mapping[str, float]) -> None:
        """Add a record, whole or not at all."""
        with self.path.open("ab", buffering=0) as file:
            before, line = file.tell(), (json.dumps(record) + "\n").encode()
            try:
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            except BaseException:
                file.truncate(before)  # the next record must not go on in a torn line
                raise

    def has(self, step: int) -> bool:
        """Whether a step has its record."""
        return any(_step(row) == step for row in self._rows())

    def up_to(self, step: int) -> Iterator[dict[str, Any]]:
        """The records of the steps until this one, oldest first; lines that are none are left
        out."""
        for row in self._rows():
            record = _record(row)
            if record is not None and int(record["step"]) <= step:
                yield record

    def forget_after(self, step: int) -> None:
        """Drop the records of steps that will be taken again, and a line that is torn."""
        steps = ((row, _step(row)) for row in self._rows())
        kept = "".join(f"{row}\n" for row, found in steps if found is not None and found <= step)
        write_whole(self.path, kept.encode())

    def _rows(self) -> list[str]:
        if not self.path.exists():
            return []
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines()


def _record(row: str) -> dict[str, Any] | None:
    """A line as a record with its step, or None where it is none."""
    try:
        record: dict[str, Any] = json.loads(row)
        int(record["step"])
        return record
    except FAULTS:
        return None


def _step(row: str) -> int | None:
    """The step of a record, or None where a line is none."""
    record = _record(row)
    return None if record is None else int(record["step"])
