"""A layout that goes on where partners are missing, and keeps what it met."""

from collections.abc import Sequence

from imtrans.api.layouts import Unpaired
from imtrans.api.pictures import Layout, Pair


class Forgiving:
    """Another layout, whose orphans are collected instead of refused."""

    def __init__(self, layout: Layout, needed: str) -> None:
        """Of the split `needed` there must be pairs."""
        self._layout, self._needed = layout, needed
        self.orphans: list[tuple[str, str]] = []  # the file, and what it misses

    def has(self, split: str) -> bool:
        return self._layout.has(split)

    def pairs(self, split: str) -> Sequence[Pair]:
        """The pairs that are whole. Raises Unpaired when there are none in the split needed."""
        try:
            return self._layout.pairs(split)
        except Unpaired as error:
            self.orphans += error.orphans
            if not error.pairs and split == self._needed:
                raise
            return error.pairs
