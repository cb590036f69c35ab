"""Whether the two sides of each pair belong together: shifted targets, swapped sides, sides of
different pairs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from imtrans.checking.data.alignment import (
    Correspondence,
    Shift,
    common_shift,
    learn,
    misaligned,
    swapped,
)
from imtrans.checking.data.belonging import belonging
from imtrans.checking.data.inspected_pair import inspect_pair
from imtrans.checking.data.inspection import AllPairs, Inspection, worker_processes
from imtrans.checking.data.pixel_summary import VIEW
from imtrans.checking.data.together import together
from imtrans.checking.finding import Finding, Row, finding_of
from imtrans.data.pairs import spread
from imtrans.data.workers import in_parallel
from imtrans.host.words import counted
from imtrans.recipe.schema import DataTable

LEARNED = 256  # pairs, spread over the set, from which the correspondence is learned
GRID = 64  # px a side of the views that are kept to recognise label maps
Array = NDArray[Any]


@dataclass(frozen=True)
class PairSample:
    """What is learned from some of the pairs before all are inspected."""

    correspondence: Correspondence | None  # how source and target correspond; None: unpaired
    views: dict[str, list[torch.Tensor]]  # of each side; uint8 (3, h, w), at most GRID px


def sample_size(pairs: AllPairs, data: DataTable) -> int:
    """How many pairs `sample_pairs` reads."""
    return 0 if data.derive else min(len(pairs), LEARNED)


def sample_pairs(
    pairs: AllPairs,
    data: DataTable,
    workers: int | None,
    on_pair: Callable[[], None],
    *,
    paired: bool = True,
) -> PairSample:
    """Read some of the pairs; `on_pair` is called after each."""
    views: dict[str, list[torch.Tensor]] = {"source": [], "target": []}
    chosen = spread(len(pairs), sample_size(pairs, data))

    def both_sides() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        work = _Worker(pairs, data, chosen)
        for arrays in in_parallel(work, len(chosen), worker_processes(len(chosen), workers)):
            on_pair()
            found = {side: torch.from_numpy(view) for side, view in arrays.items()}
            for side, view in found.items():
                views[side].append(_thinned(view))
            if len(found) == 2:
                yield found["source"], found["target"]

    if paired:
        return PairSample(_learned(both_sides()), views)
    for _ in both_sides():  # only for the views
        pass
    return PairSample(None, views)


def _learned(sides: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> Correspondence:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the workers use all cores: more threads would only compete
    try:
        return learn(sides)
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class _Worker:
    """What a worker process does with one pair of the sample. It returns arrays, since each tensor
    would keep a file open on its way between processes."""

    pairs: AllPairs
    data: DataTable
    chosen: Sequence[int]

    def __call__(self, at: int) -> dict[str, Array]:
        _, views = inspect_pair(self.pairs[self.chosen[at]], self.data)
        both = {"source": views.source, "target": views.target}
        return {side: view.numpy() for side, view in both.items() if view is not None}


def _thinned(view: torch.Tensor) -> torch.Tensor:
    rows, columns = (torch.linspace(0, n - 1, min(n, GRID)).long() for n in view.shape[-2:])
    return view[:, rows][:, :, columns]


def pairing(
    inspection: Inspection, evidences: Sequence[Any], sample: PairSample
) -> Iterator[Finding]:
    """Findings about alignment; `evidences` has one for each inspected pair, or None."""
    places = [place for place, evidence in enumerate(evidences) if evidence is not None]
    if sample.correspondence is None or not places:
        return
    known = [evidences[place] for place in places]
    yield from _common(inspection, common_shift(sample.correspondence), places[0])
    shifts = {places[at]: shift for at, shift in misaligned(known).items()}
    exchanged = [places[at] for at in swapped(known)]
    compared = belonging(known)
    changed = {places[at]: turn for at, turn in compared.better_changed.items()}
    for at in [*changed, *(places[at] for at in compared.lost)]:
        shifts.pop(at, None)  # another explanation is better
    yield from _misaligned(inspection, shifts)
    yield from _swapped(inspection, exchanged)
    yield from together(inspection, compared, places, {*shifts, *exchanged}, changed)


def _common(inspection: Inspection, shift: Shift | None, place: int) -> Iterator[Finding]:
    offset = _offset(inspection, place, shift) if shift else ""
    rows = [Row("the whole set", f"targets are shifted {offset}")] if shift else []
    message = f"targets are shifted {offset}, in the whole set"
    remedy = "shift them back, or results will be blurred"
    yield from finding_of("shifted", message, "warning", rows, remedy)


def _misaligned(inspection: Inspection, shifts: dict[int, Shift]) -> Iterator[Finding]:
    worst = sorted(shifts, key=lambda place: -shifts[place].score)
    number = counted(len(shifts), "pair looks", "pairs look")
    message = f"{number} misaligned, compared with the rest"
    remedy = "look at both sides; shift one back, or remove the pair, or results will be blurred"
    rows = (
        Row(inspection.name(place), f"shifted {_offset(inspection, place, shifts[place])}")
        for place in worst
    )
    yield from finding_of("misaligned", message, "error", rows, remedy)


def _swapped(inspection: Inspection, places: list[int]) -> Iterator[Finding]:
    number = counted(len(places), "pair looks", "pairs look")
    message = f"{number} swapped, compared with the rest"
    remedy = "look at both sides and exchange them: swapped pairs teach the opposite mapping"
    detail = "its source looks like the targets, its target like the sources"
    rows = [Row(inspection.name(place), detail) for place in places]
    yield from finding_of("swapped", message, "error", rows, remedy)


def _offset(inspection: Inspection, place: int, shift: Shift) -> str:
    """The shift of a target in words, in px of the stored target: `about 10 px to the left`."""
    target = inspection.inspected[place].target
    size = target.size if target else None
    scale = max(1.0, max(size) / VIEW) if size else 1.0
    x, y = round(shift.x * scale), round(shift.y * scale)
    parts = [f"{abs(x)} px to the {'right' if x > 0 else 'left'}"] if x else []
    parts += [f"{abs(y)} px {'down' if y > 0 else 'up'}"] if y else []
    return f"about {' and '.join(parts)}" if parts else "a little"
