"""A layout that continues where partners are missing, and collects the orphans."""

from collections.abc import Sequence

from imtrans.api.layouts import MissingPartners
from imtrans.api.pictures import Layout, Pair, has_sources, is_paired


class CollectingOrphans:
    """Wraps a layout: its orphans are collected in `orphans` instead of raised."""

    def __init__(self, layout: Layout, required: str) -> None:
        """`required`: the split that must have pairs."""
        self._layout, self.required = layout, required
        self.orphans: list[tuple[str, str]] = []  # the file, and what it misses

    @property
    def paired(self) -> bool:
        return is_paired(self._layout)

    @property
    def has_sources(self) -> bool:
        return has_sources(self._layout)

    @property
    def reads_addresses(self) -> bool:
        return bool(getattr(self._layout, "reads_addresses", False))

    def has(self, split: str) -> bool:
        return self._layout.has(split)

    def pairs(self, split: str) -> Sequence[Pair]:
        """The complete pairs. Raises MissingPartners if the required split has none."""
        try:
            return self._layout.pairs(split)
        except MissingPartners as error:
            self.orphans += error.orphans
            if not error.pairs and split == self.required:
                raise
            return error.pairs
