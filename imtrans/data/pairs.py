"""Which pairs are trained on, and which are for validation."""

import hashlib
from array import array
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import overload

from imtrans.api.addresses import is_address
from imtrans.api.errors import ImtransError
from imtrans.api.layouts import MissingPartners, MissingSplit, check_root
from imtrans.api.pictures import (
    Layout,
    Pair,
    PairsSummary,
    find_images,
    has_sources,
    is_paired,
    summary_of,
)
from imtrans.data.draws import validation_indices
from imtrans.data.families.advice import advice
from imtrans.data.families.find import find_family
from imtrans.recipe.registry import Component
from imtrans.recipe.schema import DataTable

VALIDATION_NAMES = ("val", "test")


def split_pairs(
    layout: Layout, data: DataTable, seed: int, *, layouts: Iterable[Component] = ()
) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """The pairs to train on and those for validation.

    Validation is the split that the recipe names, a share of the training pairs drawn from the
    seed, or, when it says nothing, the split `val` or `test` if it is there. Raises ImtransError
    when there is nothing to train on, or when layout and derivation do not fit together. Of all
    `layouts`, those are named that find a split where the recipe's does not.
    """
    check_sides(layout, data)
    if not reads_address(layout, data.root):
        check_root(data.root)
    training = _pairs(layout, data, data.train, layouts)
    _check_first(training[0], layout, data)
    if isinstance(data.validation, float):
        _check_share(layout, data)
        return _share(training, data.validation, seed)
    if data.validation is not None:
        return training, _pairs(layout, data, data.validation, layouts)
    names = [name for name in VALIDATION_NAMES if name != data.train]
    there = next((name for name in names if layout.has(name)), None)
    return training, _pairs(layout, data, there, layouts) if there else []


def check_sides(layout: Layout, data: DataTable) -> None:
    """Raise ImtransError when sources are to be derived and the layout has them already, or when it
    has none and they are not derived, or for an address that it does not read. No file is read."""
    if is_address(data.root) and not reads_address(layout, data.root):
        check_root(data.root)
    if data.derive and has_sources(layout):
        raise ImtransError(
            f"data.derive: '{data.derive.name}' derives sources from targets alone; the layout "
            f"'{data.layout.name}' has both. leave data.derive out, or choose a layout of targets"
        )
    if not data.derive and not has_sources(layout):
        raise ImtransError(
            f"data.layout: the layout '{data.layout.name}' has targets only; name a derivation, as "
            "in data.derive = 'lab'"
        )


def reads_address(layout: Layout, root: str) -> bool:
    """Whether the root is an address, and the layout reads those: then there is no folder."""
    return is_address(root) and bool(getattr(layout, "reads_addresses", False))


def _pairs(
    layout: Layout, data: DataTable, split: str, layouts: Iterable[Component]
) -> Sequence[Pair]:
    try:
        return layout.pairs(split)
    except MissingSplit as error:
        others = [one for one in layouts if one.name != data.layout.name]
        hints = [hint for one in others if (hint := _hint(one, data.root, split))]
        if family := find_family(find_images(data.root)):
            hints = [f"{family.text}: {advice(family, data.root)}"]
        if hints:
            raise ImtransError(f"{error.what}. {'; '.join(hints)}") from error
        raise
    except MissingPartners as error:
        if error.pairs or error.explained or is_address(data.root):
            raise
        family = find_family(find_images(data.root))
        if family is None:
            raise
        more = f"{error}\n{family.text}: {advice(family, data.root)}"
        raise MissingPartners(more, error.orphans) from error


def _hint(layout: Component, root: str, split: str) -> str | None:
    """What looks like a split of this layout, if it can say and something does."""
    with suppress(OSError):
        if hasattr(layout.made, "found_in") and (found := layout.made.found_in(root, split)):
            return f'{found}: use layout = "{layout.name}" if the pairs are stored so'
    return None


def _check_first(pair: Pair, layout: Layout, data: DataTable) -> None:
    """A layout that promises sources must have them, else reading would fail without a reason."""
    if bool(pair.a) != has_sources(layout):
        raise ImtransError(
            f"the layout '{data.layout.name}' breaks its contract: its has_sources is "
            f"{has_sources(layout)}, but its pairs have {'sources' if pair.a else 'none'}"
        )


def _check_share(layout: Layout, data: DataTable) -> None:
    if not is_paired(layout):
        # A picture of the smaller folder is in several pairs: it would be on both sides.
        raise ImtransError(
            f"data.validation = {data.validation}: a share is drawn from pairs, and the layout "
            f"'{data.layout.name}' has none. put pictures into folders of their own and name that "
            'split, as in validation = "test"'
        )


class Some(Sequence[Pair]):
    """Some of the pairs of a longer sequence."""

    def __init__(self, pairs: Sequence[Pair], indices: Sequence[int]) -> None:
        self._pairs, self._indices = pairs, indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, at: int) -> Pair: ...

    @overload
    def __getitem__(self, at: slice) -> "Some": ...

    def __getitem__(self, at: int | slice) -> "Pair | Some":
        if isinstance(at, slice):
            return Some(self._pairs, self._indices[at])
        return self._pairs[self._indices[at]]

    def summary(self) -> PairsSummary | None:
        found = summary_of(self._pairs)
        chosen = array("Q", self._indices).tobytes()
        return found and PairsSummary(found.files, hashlib.sha256(found.digest + chosen).digest())


def _share(pairs: Sequence[Pair], share: float, seed: int) -> tuple[Some, Some]:
    chosen = validation_indices(seed, len(pairs), share)
    if not 0 < len(chosen) < len(pairs):
        raise ImtransError(
            f"data.validation = {share} leaves {len(chosen)} of {len(pairs)} pairs for validation "
            f"and {len(pairs) - len(chosen)} to train on; both need one at least"
        )
    taken = set(chosen)
    # An array: a million numbers of Python take five times as much memory.
    kept = array("Q", (index for index in range(len(pairs)) if index not in taken))
    return Some(pairs, kept), Some(pairs, chosen)


def spread(total: int, count: int) -> list[int]:
    """Up to `count` indices, spread evenly over 0 .. total - 1."""
    count = min(count, total)
    return [number * total // count for number in range(count)]
