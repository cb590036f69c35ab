"""Copies: equal pairs, one source with several targets, and leaks between training and
validation."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence

from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.cut_outs import cut_outs
from imtrans.checking.data.disguised import disguised
from imtrans.checking.data.inspected_pair import InspectedPair
from imtrans.checking.data.inspection import Inspection
from imtrans.checking.data.near_duplicates import near_duplicates
from imtrans.checking.finding import Finding, Row, finding_of
from imtrans.host.words import counted

MANY = 20_000  # pairs
RICH = 32  # distinct colours in a thumbnail: so it is no drawing, which may be equal by chance
REMOVE = "keep one of each: copies are trained on more often than other pairs"
LEAK = (
    "remove them from training or from validation: a model must not be evaluated on pairs it was "
    "trained on. keep all views of one object in the same split"
)


def copies(inspection: Inspection) -> Iterator[Finding]:
    """Exact copies: equal pairs, equal sources with different targets, and leaks."""
    pairs = _groups(inspection, _pair)
    yield from _duplicates(inspection, pairs)
    if inspection.paired:
        sources = _groups(inspection, _source)
        targets = _groups(inspection, _rich_target)
        yield from _ambiguous(inspection, sources)
        shared = {"the pair of": pairs, "the source of": sources, "the target of": targets}
    else:
        shared = {"same as": pairs}
    across = _across(inspection, shared)
    message = f"{_are(len(across), f'validation {inspection.noun}')} also trained on"
    yield from finding_of("leak", message, "error", across, LEAK)


def same_files(
    training: Sequence[Pair], validation: Sequence[Pair], noun: str = "pair"
) -> list[Finding]:
    """Files in both training and validation, by name alone; skipped for very many pairs, whose
    names would all have to be built."""
    if len(training) + len(validation) > MANY:
        return []
    trained = {picture: pair for pair in training for picture in (*pair.a, *pair.b)}
    rows: dict[Picture, Row] = {}  # an unpaired picture may be in several pairs
    for pair in validation:
        shared = [picture for picture in (*pair.a, *pair.b) if picture in trained]
        if shared:
            detail = f"{shared[0]} is also in {trained[shared[0]].name}"
            rows.setdefault(shared[0], Row(pair.name, detail))
    message = f"{_are(len(rows), f'validation {noun}')} also trained on"
    return finding_of("leak", message, "error", rows.values(), LEAK)


def _are(number: int, noun: str) -> str:
    return counted(number, f"{noun} is", f"{noun}s are")


def near_copies(inspection: Inspection) -> Iterator[Finding]:
    """Pairs that look the same on both sides: saved again, resized, or a little brighter; between
    training and validation also turned, mirrored, recoloured, cut to a part."""
    inside, across = [], []
    for one, other, difference in _near(inspection):
        detail = f"nearly {inspection.name(one)} ({difference:.1%} different)"
        if inspection.split(one) == inspection.split(other):
            inside.append(Row(inspection.name(other), detail))
        else:
            across.append(Row(inspection.name(other), detail))
    listed = {row.name for row in across}
    across += [row for row in _in_disguise(inspection) if row.name not in listed]
    noun = inspection.noun
    message = f"{_are(len(inside), noun)} nearly a copy of another {noun}"
    yield from finding_of("near-duplicate", message, "warning", inside, REMOVE)
    message = f"{_are(len(across), f'validation {noun}')} nearly a copy of a training {noun}"
    yield from finding_of("near-leak", message, "warning", across, LEAK)


def _in_disguise(inspection: Inspection) -> Iterator[Row]:
    """Validation pairs that are training pairs, turned, recoloured or cut; without exact copies."""
    places: dict[str, list[int]] = {"train": [], "validation": []}
    for place, pair in enumerate(inspection.inspected):
        if inspection.paired and pair.sides and all(side.summary for side in pair.sides):
            if not all(side.summary.constant for side in pair.sides if side.summary):
                places[inspection.split(place)].append(place)
    training, validation = (
        [inspection.inspected[place] for place in its] for its in places.values()
    )
    whole = disguised(training, validation)
    seen = {found.validation for found in whole}
    parts = [found for found in cut_outs(training, validation) if found.validation not in seen]
    for found in [*whole, *parts]:
        trained, place = places["train"][found.training], places["validation"][found.validation]
        if _pair(inspection.inspected[place]) != _pair(inspection.inspected[trained]):
            detail = (
                f"nearly {inspection.name(trained)} {found.words} (the thumbnails of both sides "
                f"correlate by {found.correlation:.1%} at least; different pairs hardly do by 80%)"
            )
            yield Row(inspection.name(place), detail)


def _near(inspection: Inspection) -> Iterator[tuple[int, int, float]]:
    for places in inspection.comparable:
        inspected = [inspection.inspected[place] for place in places]
        for one, other, difference in near_duplicates(inspected):
            yield places[one], places[other], difference


def _duplicates(inspection: Inspection, groups: list[list[int]]) -> Iterator[Finding]:
    rows = []
    for group in groups:
        for split in ("train", "validation"):
            first, *others = [place for place in group if inspection.split(place) == split] or [-1]
            rows += [Row(inspection.name(at), f"same as {inspection.name(first)}") for at in others]
    noun = inspection.noun
    number = counted(len(rows), f"{noun} is a copy", f"{noun}s are copies")
    message = f"{number} of another {noun}"
    yield from finding_of("duplicate", message, "warning", rows, REMOVE)


def _ambiguous(inspection: Inspection, groups: list[list[int]]) -> Iterator[Finding]:
    rows = []
    for group in groups:
        distinct = {_pair(inspection.inspected[place]): place for place in reversed(group)}
        first, *others = sorted(distinct.values())
        rows += [
            Row(inspection.name(at), f"the source of {inspection.name(first)}, a different target")
            for at in others
        ]
    message = f"{counted(len(rows), 'pair')} with the source of another pair, but another target"
    remedy = "keep one target per source: from several the network learns their mean, a blur"
    yield from finding_of("ambiguous", message, "warning", rows, remedy)


def _across(inspection: Inspection, shared: dict[str, list[list[int]]]) -> list[Row]:
    """Validation pairs that share something with a training pair, each once."""
    rows: dict[int, Row] = {}
    for what, groups in shared.items():
        for group in groups:
            trained = [place for place in group if inspection.split(place) == "train"]
            validation = [place for place in group if inspection.split(place) != "train"]
            if trained:
                detail = f"{what} {inspection.name(trained[0])}"
                for place in validation:
                    rows.setdefault(place, Row(inspection.name(place), detail))
    return [rows[place] for place in sorted(rows)]


def _groups(
    inspection: Inspection, key: Callable[[InspectedPair], Hashable | None]
) -> list[list[int]]:
    """The places of pairs with equal keys, in groups of two and more; in order."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, pair in enumerate(inspection.inspected):
        if (value := key(pair)) is not None:
            places[value].append(place)
    return [group for group in places.values() if len(group) > 1]


def _pair(pair: InspectedPair) -> Hashable | None:
    if not all(side.summary for side in pair.sides):
        return None
    if all(side.summary.constant for side in pair.sides if side.summary):
        return None  # already reported as constant
    # A side that is missing counts too: no source is the copy of a target.
    sides = (pair.source, pair.target)
    return tuple(side.summary.digest if side and side.summary else None for side in sides)


def _source(pair: InspectedPair) -> Hashable | None:
    summary = pair.source.summary if pair.source else None
    return summary.digest if summary and not summary.constant else None


def _rich_target(pair: InspectedPair) -> Hashable | None:
    summary = pair.target.summary if pair.target else None
    if summary is None:
        return None
    colours = {summary.thumb[at::144] for at in range(144)}
    return summary.digest if len(colours) > RICH else None
