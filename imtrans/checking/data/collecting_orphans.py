"""A layout that continues where partners are missing, and collects the orphans."""

from collections.abc import Sequence

from imtrans.api.layouts import Unpaired
from imtrans.api.pictures import Layout, Pair


class CollectingOrphans:
    """Wraps a layout: its orphans are collected in `orphans` instead of raised."""

    def __init__(self, layout: Layout, required: str) -> None:
        """`required`: the split that must have pairs."""
        self._layout, self._required = layout, required
        self.orphans: list[tuple[str, str]] = []  # the file, and what it misses

    def has(self, split: str) -> bool:
        return self._layout.has(split)

    def pairs(self, split: str) -> Sequence[Pair]:
        """The complete pairs. Raises Unpaired if the required split has none."""
        try:
            return self._layout.pairs(split)
        except Unpaired as error:
            self.orphans += error.orphans
            if not error.pairs and split == self._required:
                raise
            return error.pairs
