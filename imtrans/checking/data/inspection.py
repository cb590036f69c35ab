"""The inspected pairs of a data set: what all checks draw their findings from."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.inspected_pair import (
    InspectedPair,
    InspectedSide,
    inspect_pair,
    inspect_pair_headers,
    sources_and_targets,
)
from imtrans.data.workers import in_parallel
from imtrans.host.machine import cores
from imtrans.recipe.schema import DataTable

Pictures = tuple[Picture, ...]

FEW = 32  # pairs: fewer are read faster than processes start


class AllPairs(Sequence[Pair]):
    """The pairs to train on, then those for validation, under one index."""

    def __init__(self, training: Sequence[Pair], validation: Sequence[Pair]) -> None:
        self.training, self.validation = training, validation

    def __len__(self) -> int:
        return len(self.training) + len(self.validation)

    def __getitem__(self, index: Any) -> Any:
        place = range(len(self))[index]
        if not isinstance(place, int):
            return [self[at] for at in place]
        within = place - len(self.training)
        return self.training[place] if within < 0 else self.validation[within]

    def split(self, index: int) -> str:
        return "train" if index < len(self.training) else "validation"


def one_sided(pairs: Sequence[Pair]) -> list[Pair]:
    """Every picture of unpaired sides once, as a pair that lacks its other side."""
    sides: tuple[dict[Pictures, str], ...] = ({}, {})
    for pair in pairs:
        for side, pictures in zip(sides, (pair.a, pair.b), strict=True):
            if pictures:
                side.setdefault(pictures, pair.name)
    a, b = sides
    return [
        *(Pair(name, pictures, ()) for pictures, name in a.items()),
        *(Pair(name, (), pictures) for pictures, name in b.items()),
    ]


@dataclass
class Inspection:
    """The inspected `pairs[index] for index in indices`, in this order; a place is an index into
    `inspected`."""

    data: DataTable
    pairs: AllPairs
    indices: Sequence[int]
    inspected: list[InspectedPair] = field(default_factory=list)
    paired: bool = True  # else every pair has one side only

    @property
    def noun(self) -> str:
        """What is counted."""
        return "pair" if self.paired else "picture"

    @property
    def comparable(self) -> list[list[int]]:
        """Places of what may be copies of each other: all, or unpaired those of each side."""
        if self.paired:
            return [list(range(len(self.inspected)))]
        sides: tuple[list[int], list[int]] = ([], [])
        for place, pair in enumerate(self.inspected):
            sides[pair.source is None].append(place)
        return list(sides)

    def sides(self) -> Iterator[tuple[int, str, InspectedSide]]:
        """(place, 'source' or 'target', InspectedSide) of every stored side."""
        for place, pair in enumerate(self.inspected):
            if pair.source:
                yield place, "source", pair.source
            if pair.target:
                yield place, "target", pair.target

    def pictures(self, place: int, side: str) -> tuple[Picture, ...]:
        sources, targets = sources_and_targets(self.pairs[self.indices[place]], self.data)
        return sources if side == "source" else targets

    def files(self, place: int, side: str) -> list[str]:
        """The file names of a side, relative to the recipe's folder."""
        return [_relative(self.data.root, str(picture)) for picture in self.pictures(place, side)]

    def name(self, place: int) -> str:
        """The file names of a pair, each once."""
        pair = self.pairs[self.indices[place]]
        names = (_relative(self.data.root, str(picture)) for picture in (*pair.a, *pair.b))
        return " + ".join(dict.fromkeys(names))

    def split(self, place: int) -> str:
        return self.pairs.split(self.indices[place])


def _relative(root: str, path: str) -> str:
    return path.removeprefix(os.path.join(root, ""))


@dataclass(frozen=True)
class _Worker:
    """What a worker process does with the pair at an index."""

    pairs: AllPairs
    data: DataTable
    correspondence: Any  # of imtrans.checking.data.correspondence, or None

    def __call__(self, index: int) -> tuple[InspectedPair, Any]:
        pair, views = inspect_pair(self.pairs[index], self.data)
        if self.correspondence is None or views.source is None or views.target is None:
            return pair, None
        return pair, self.correspondence.evidence(views.source, views.target)


def inspect_headers(pairs: AllPairs, data: DataTable, *, paired: bool) -> Inspection:
    """These pairs, by their headers alone."""
    inspected = [inspect_pair_headers(pair, data) for pair in pairs]
    return Inspection(data, pairs, range(len(pairs)), inspected, paired)


def inspect(
    pairs: AllPairs,
    data: DataTable,
    *,
    paired: bool = True,
    correspondence: Any = None,
    workers: int | None = None,
    on_pair: Callable[[], None] = lambda: None,
) -> tuple[Inspection, list[Any]]:
    """All pairs, decoded by worker processes; and for each pair the evidence of its alignment, or
    None. `on_pair` is called after every pair."""
    inspection = Inspection(data, pairs, range(len(pairs)), paired=paired)
    evidences = []
    work = _Worker(pairs, data, correspondence)
    for pair, evidence in in_parallel(work, len(pairs), worker_processes(len(pairs), workers)):
        inspection.inspected.append(pair)
        evidences.append(evidence)
        on_pair()
    return inspection, evidences


def worker_processes(count: int, requested: int | None = None) -> int:
    """How many processes read `count` pairs; 0: this one alone."""
    if requested is not None:
        return requested
    return 0 if count < FEW else cores()
