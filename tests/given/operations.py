"""What a process writes to the disk, operation by operation, and where it can be cut off."""

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path


@dataclass(frozen=True)
class Operation:
    """One change of what is on the disk."""

    kind: str  # write, append, open, rename, remove, rmdir, mkdir, truncate, link, sync
    path: str  # below the watched folder; of a rename, the new one
    source: str = ""  # of a rename, the old path
    wrote: int = 0  # bytes that came to the file until the next operation

    @property
    def pattern(self) -> str:
        """What it is at any step: `rename run/checkpoints/step_N`; of removed files, the folder."""
        path = self.path
        if self.kind == "remove" and Path(path).parent.name.startswith("."):
            path = f"{Path(path).parent}/*"  # all of it goes, in no order
        path = re.sub(r"\b[0-9a-f]{32}\b", "HASH", path)
        return f"{self.kind} {re.sub(r'[0-9]+', 'N', path)}"

    @property
    def removes(self) -> bool:
        return self.kind in ("remove", "rmdir")


@dataclass(frozen=True)
class Instant:
    """A place in a sequence of operations."""

    number: int  # of the operation, from 1
    operation: Operation
    time: int  # that this is done to this file, from 1: threads mix their operations as they like
    inside: bool = False  # half written, rather than not begun

    @property
    def pattern(self) -> str:
        return f"{'inside' if self.inside else 'before'} {self.operation.pattern}"

    @property
    def name(self) -> str:
        """Short, and fit for a folder."""
        return f"{self.number} inside" if self.inside else f"{self.number}"

    def order(self, act: str = "kill") -> dict[str, object]:
        """What Numbering is asked to do here."""
        one = self.operation
        at = [one.kind, one.path, self.time]
        return {"at": at, "inside": self.inside, "act": act, "wrote": one.wrote}

    def __str__(self) -> str:
        return f"{self.pattern} (operation {self.number})"


def instants(operations: Iterable[Operation]) -> Iterator[Instant]:
    """Wherever a process can be cut off: before each operation, and inside each that writes.

    What is on the disk after an operation is there before the next one too.
    """
    times: Counter[tuple[str, str]] = Counter()
    for number, operation in enumerate(operations, 1):
        times[operation.kind, operation.path] += 1
        time = times[operation.kind, operation.path]
        yield Instant(number, operation, time)
        if operation.wrote > 1:
            yield Instant(number, operation, time, inside=True)


def one_of_each(found: Iterable[Instant], seed: int = 7) -> list[Instant]:
    """Of each kind of instant one, at any step."""
    kinds: dict[str, list[Instant]] = {}
    for instant in found:
        kinds.setdefault(instant.pattern, []).append(instant)
    return [random.Random(f"{seed} {kind}").choice(kinds[kind]) for kind in kinds]


def read(record: mmap) -> list[Operation]:
    """The operations that a process has noted, which may be dead by now."""
    rows = [json.loads(line) for line in record[: record.find(b"\0")].splitlines()]
    wrote, later = [], dict[int, int]()
    for row in reversed(rows):  # each says it of the one before it in its thread
        wrote.append(later.get(row["thread"], 0))
        later[row["thread"]] = row["before"]
    return [
        Operation(row["kind"], row["path"], row["source"], count)
        for row, count in zip(rows, reversed(wrote), strict=True)
    ]
