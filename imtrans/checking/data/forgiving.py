"""A layout that goes on where partners are missing, and keeps what it met."""

from collections.abc import Sequence

from imtrans.api.layouts import MissingPartners
from imtrans.api.pictures import Layout, Pair, has_sources, is_paired


class Forgiving:
    """Another layout, whose orphans are collected instead of refused."""

    def __init__(self, layout: Layout, needed: str) -> None:
        """Of the split `needed` there must be pairs."""
        self._layout, self._needed = layout, needed
        self.orphans: list[tuple[str, str]] = []  # the file, and what it misses

    @property
    def paired(self) -> bool:
        return is_paired(self._layout)

    @property
    def has_sources(self) -> bool:
        return has_sources(self._layout)

    def has(self, split: str) -> bool:
        return self._layout.has(split)

    def pairs(self, split: str) -> Sequence[Pair]:
        """The pairs that are whole. Raises MissingPartners when the split needed has none."""
        try:
            return self._layout.pairs(split)
        except MissingPartners as error:
            self.orphans += error.orphans
            if not error.pairs and split == self._needed:
                raise
            return error.pairs
