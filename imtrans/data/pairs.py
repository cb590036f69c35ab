"""Which pairs are trained on, and which are held out."""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Layout, Pair
from imtrans.data.draws import held_out_indices
from imtrans.data.fetching.sets import SETS
from imtrans.recipe.schema import DataTable

VALIDATION_NAMES = ("val", "test")


def split_pairs(
    layout: Layout, data: DataTable, seed: int
) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """The pairs to train on and those held out.

    Held out is the split that the recipe names, a share of the training pairs drawn from the seed,
    or, when it says nothing, the split `val` or `test` if it is there. Raises ImtransError when
    there is nothing to train on, when sources stand where they are to be derived, or the reverse.
    """
    if not Path(data.root).is_dir():
        published = next((one.name for one in SETS.values() if one.folder == data.root), None)
        fetch = f", or fetch them with `imtrans data fetch {published}`" if published else ""
        raise ImtransError(
            f"{data.root}: no such folder. put the pairs there, or name their folder with "
            f"--set data.root=FOLDER{fetch}"
        )
    training = layout.pairs(data.train)
    _check_sides(training, data)
    if isinstance(data.validation, float):
        return _hold_out(training, data.validation, seed)
    if data.validation is not None:
        return training, layout.pairs(data.validation)
    names = [name for name in VALIDATION_NAMES if name != data.train]
    there = next((name for name in names if layout.has(name)), None)
    return training, layout.pairs(there) if there else []


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


def _hold_out(pairs: Sequence[Pair], share: float, seed: int) -> tuple[Some, Some]:
    held_out = held_out_indices(seed, len(pairs), share)
    if not 0 < len(held_out) < len(pairs):
        raise ImtransError(
            f"data.validation = {share} of {len(pairs)} pairs holds out {len(held_out)}; "
            "both sides need one at least"
        )
    taken = set(held_out)
    kept = [index for index in range(len(pairs)) if index not in taken]
    return Some(pairs, kept), Some(pairs, held_out)


def _check_sides(pairs: Sequence[Pair], data: DataTable) -> None:
    if data.derive and pairs[0].a:
        raise ImtransError(
            f"the layout '{data.layout.name}' has sources; leave 'data.derive' out, or use 'photos'"
        )
    if not data.derive and not pairs[0].a:
        raise ImtransError(
            f"the layout '{data.layout.name}' has targets only: data.derive makes their sources"
        )


def spread(total: int, count: int) -> list[int]:
    """Up to `count` indices, spread evenly over 0 .. total - 1."""
    count = min(count, total)
    return [number * total // count for number in range(count)]
