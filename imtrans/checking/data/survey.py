"""All pairs of a recipe, looked at: what the findings are drawn from."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.look import Look, SideLook, glance, look, sources_and_targets
from imtrans.data.workers import in_parallel
from imtrans.host.machine import cores
from imtrans.recipe.schema import DataTable

Pictures = tuple[Picture, ...]

FEW = 32  # pairs: fewer are read sooner than processes are started


class Both(Sequence[Pair]):
    """The pairs to train on and those held out, one after the other, by one index."""

    def __init__(self, training: Sequence[Pair], held_out: Sequence[Pair]) -> None:
        self.training, self.held_out = training, held_out

    def __len__(self) -> int:
        return len(self.training) + len(self.held_out)

    def __getitem__(self, index: Any) -> Any:
        place = range(len(self))[index]
        if not isinstance(place, int):
            return [self[at] for at in place]
        within = place - len(self.training)
        return self.training[place] if within < 0 else self.held_out[within]

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
class Survey:
    """The looks at `pairs[index] for index in indices`, in this order."""

    data: DataTable
    pairs: Both
    indices: Sequence[int]
    looks: list[Look] = field(default_factory=list)
    paired: bool = True  # else every pair has one side only

    @property
    def noun(self) -> str:
        """What is counted."""
        return "pair" if self.paired else "picture"

    @property
    def comparable(self) -> list[list[int]]:
        """Places of looks that may be copies of each other: all, or unpaired those of each side."""
        if self.paired:
            return [list(range(len(self.looks)))]
        sides: tuple[list[int], list[int]] = ([], [])
        for place, seen in enumerate(self.looks):
            sides[seen.source is None].append(place)
        return list(sides)

    def sides(self) -> Iterator[tuple[int, str, SideLook]]:
        """(place, 'source' or 'target', SideLook) of everything looked at."""
        for place, seen in enumerate(self.looks):
            if seen.source:
                yield place, "source", seen.source
            if seen.target:
                yield place, "target", seen.target

    def pictures(self, place: int, side: str) -> tuple[Picture, ...]:
        sources, targets = sources_and_targets(self.pairs[self.indices[place]], self.data)
        return sources if side == "source" else targets

    def files(self, place: int, side: str) -> list[str]:
        """The names of the pictures of a side, below the recipe's folder."""
        return [_below(self.data.root, str(picture)) for picture in self.pictures(place, side)]

    def name(self, place: int) -> str:
        """The files of a pair, each named once."""
        pair = self.pairs[self.indices[place]]
        names = (_below(self.data.root, str(picture)) for picture in (*pair.a, *pair.b))
        return " + ".join(dict.fromkeys(names))

    def split(self, place: int) -> str:
        return self.pairs.split(self.indices[place])


def _below(root: str, path: str) -> str:
    inside = os.path.join(root, "")
    return path.removeprefix(inside)


@dataclass(frozen=True)
class _Looking:
    """What a worker does with the pair at an index."""

    pairs: Both
    data: DataTable
    correspondence: Any  # of imtrans.checking.data.correspondence, or None

    def __call__(self, index: int) -> tuple[Look, Any]:
        seen, views = look(self.pairs[index], self.data)
        if self.correspondence is None or views.source is None or views.target is None:
            return seen, None
        return seen, self.correspondence.evidence(views.source, views.target)


def glances(pairs: Both, data: DataTable, indices: Sequence[int], *, paired: bool) -> Survey:
    """The headers of some pairs."""
    seen = [glance(pairs[index], data) for index in indices]
    return Survey(data, pairs, indices, seen, paired)


def looks(
    pairs: Both,
    data: DataTable,
    *,
    paired: bool = True,
    correspondence: Any = None,
    workers: int | None = None,
    looked: Callable[[], None] = lambda: None,
) -> tuple[Survey, list[Any]]:
    """All pairs, decoded by worker processes; beside each the evidence of its alignment, or None.

    `looked` is called after every pair.
    """
    survey = Survey(data, pairs, range(len(pairs)), paired=paired)
    evidences = []
    work = _Looking(pairs, data, correspondence)
    for seen, evidence in in_parallel(work, len(pairs), processes(len(pairs), workers)):
        survey.looks.append(seen)
        evidences.append(evidence)
        looked()
    return survey, evidences


def processes(count: int, wanted: int | None = None) -> int:
    """How many worker processes read `count` pairs."""
    if wanted is not None:
        return wanted
    return 0 if count < FEW else cores()


def spread(count: int, most: int) -> list[int]:
    """At most so many of 0 ... count - 1, evenly spread, in order."""
    if count <= most:
        return list(range(count))
    return [at * count // most for at in range(most)]
