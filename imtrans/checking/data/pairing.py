"""Whether the two sides of a pair belong together: shifted targets, exchanged sides."""

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
from imtrans.checking.data.facts import VIEW
from imtrans.checking.data.finding import Finding, Row, count, found
from imtrans.checking.data.look import look
from imtrans.checking.data.survey import Both, Survey, processes, spread
from imtrans.data.workers import in_parallel
from imtrans.recipe.schema import DataTable

LEARNED = 256  # pairs, spread over the set, show how the sides correspond
GRID = 64  # px a side: what is kept of them to tell label maps by
Array = NDArray[Any]


@dataclass(frozen=True)
class Sample:
    """What some of the pairs show of all."""

    correspondence: Correspondence | None  # None: nothing can be said of alignment
    views: dict[str, list[torch.Tensor]]  # of each side; uint8 (3, h, w), at most GRID px


def sample_size(pairs: Both, data: DataTable) -> int:
    """How many pairs `sample` reads."""
    return 0 if data.derive else min(len(pairs), LEARNED)


def sample(
    pairs: Both,
    data: DataTable,
    workers: int | None,
    looked: Callable[[], None],
    *,
    paired: bool = True,
) -> Sample:
    """Read some of the pairs; `looked` is called after each."""
    views: dict[str, list[torch.Tensor]] = {"source": [], "target": []}
    chosen = spread(len(pairs), sample_size(pairs, data))

    def both() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        work = _Viewing(pairs, data, chosen)
        for seen in in_parallel(work, len(chosen), processes(len(chosen), workers)):
            looked()
            found = {side: torch.from_numpy(view) for side, view in seen.items()}
            for side, view in found.items():
                views[side].append(_thinned(view))
            if len(found) == 2:
                yield found["source"], found["target"]

    if paired:
        return Sample(_learned(both()), views)
    for _ in both():  # only for the views
        pass
    return Sample(None, views)


def _learned(both: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> Correspondence | None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the workers have all cores: more threads wait for each other
    try:
        return learn(both)
    except ValueError:  # fewer than two different pairs
        return None
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class _Viewing:
    """What a worker does with one pair of the sample. Arrays, since tensors would each keep a file
    open on their way."""

    pairs: Both
    data: DataTable
    chosen: Sequence[int]

    def __call__(self, at: int) -> dict[str, Array]:
        _, views = look(self.pairs[self.chosen[at]], self.data)
        both = {"source": views.source, "target": views.target}
        return {side: view.numpy() for side, view in both.items() if view is not None}


def _thinned(view: torch.Tensor) -> torch.Tensor:
    rows, columns = (torch.linspace(0, n - 1, min(n, GRID)).long() for n in view.shape[-2:])
    return view[:, rows][:, :, columns]


def pairing(survey: Survey, evidences: Sequence[Any], seen: Sample) -> Iterator[Finding]:
    """Findings about alignment; `evidences` has one for each look, or None."""
    places = [place for place, evidence in enumerate(evidences) if evidence is not None]
    if seen.correspondence is None or not places:
        return
    there = [evidences[place] for place in places]
    yield from _common(survey, common_shift(seen.correspondence), places[0])
    yield from _misaligned(survey, {places[at]: s for at, s in misaligned(there).items()})
    yield from _swapped(survey, [places[at] for at in swapped(there)])


def _common(survey: Survey, shift: Shift | None, place: int) -> Iterator[Finding]:
    rows = [Row("the whole set", _where(survey, place, shift))] if shift else []
    title = "the targets of the whole set lie beside where they fit best"
    remedy = "move one side by as much: networks with skips copy positions, and blur what is off"
    yield from found("shifted", title, "warning", rows, remedy)


def _misaligned(survey: Survey, shifts: dict[int, Shift]) -> Iterator[Finding]:
    worst = sorted(shifts, key=lambda place: -shifts[place].score)
    title = f"{count(len(shifts), 'pair looks', 'pairs look')} misaligned, against the rest"
    remedy = "look at both sides: move one, or take the pair out. such pairs teach blur"
    rows = (Row(survey.name(place), _where(survey, place, shifts[place])) for place in worst)
    yield from found("misaligned", title, "error", rows, remedy)


def _swapped(survey: Survey, places: list[int]) -> Iterator[Finding]:
    title = f"{count(len(places), 'pair looks', 'pairs look')} swapped, against the rest"
    remedy = "look at both sides and exchange them: these pairs teach the opposite"
    detail = "its source looks like the targets, its target like the sources"
    yield from found(
        "swapped", title, "error", [Row(survey.name(place), detail) for place in places], remedy
    )


def _where(survey: Survey, place: int, shift: Shift) -> str:
    """The shift in px of the stored target."""
    target = survey.looks[place].target
    size = target.size if target else None
    scale = max(1.0, max(size) / VIEW) if size else 1.0
    x, y = round(shift.x * scale), round(shift.y * scale)
    parts = [f"{abs(x)} px {'right' if x > 0 else 'left'}"] if x else []
    parts += [f"{abs(y)} px {'down' if y > 0 else 'up'}"] if y else []
    where = " and ".join(parts) or "a little off"
    return f"the target lies about {where} of where it fits best"
