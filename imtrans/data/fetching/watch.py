"""Who hears how a transfer goes: a bar in a terminal, lines elsewhere, nobody in tests."""

from typing import Protocol


class Watch(Protocol):
    def say(self, line: str) -> None: ...

    def begin(self, doing: str, total: int, done: int = 0) -> None:
        """A part of the work begins, or begins again: `done` of `total` bytes are there."""

    def reach(self, done: int) -> None:
        """So many bytes of the part are done."""
