"""Copies: the same pixels twice, one source with several targets, pictures on both sides of the
border between what is trained on and what is held out."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence, Sized

from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.finding import Finding, Row, Severity, count, found
from imtrans.checking.data.look import Look
from imtrans.checking.data.near import near
from imtrans.checking.data.survey import Survey

MANY = 20_000  # pairs
RICH = 32  # distinct colours in a thumbnail: no drawing, whose equal might be made by chance
REMOVE = "keep one of each: what is there twice is learned twice"
LEAK = (
    "take them out of one of the two: a network is not judged by what it has learned by heart. "
    "of several views of one thing, all belong to one side"
)


def copies(survey: Survey) -> Iterator[Finding]:
    """Exact copies: of pairs, of sources with other targets, and across the border."""
    pairs = _groups(survey, _pair)
    yield from _twice(survey, pairs)
    if survey.paired:
        sources = _groups(survey, _source)
        targets = _groups(survey, _rich_target)
        yield from _ambiguous(survey, sources)
        alike = {"the pair of": pairs, "the source of": sources, "the target of": targets}
    else:
        alike = {"same as": pairs}
    across = _across(survey, alike)
    title = f"{count(len(across), f'held-out {survey.noun}')} {_is(across)} trained on"
    yield from found("leak", title, "error", across, LEAK)


def same_files(
    training: Sequence[Pair], held_out: Sequence[Pair], noun: str = "pair"
) -> list[Finding]:
    """Files that are on both sides of the border, by their names alone; of very many pairs not
    asked for, since every name would be made up."""
    if len(training) + len(held_out) > MANY:
        return []
    trained = {picture: pair for pair in training for picture in (*pair.a, *pair.b)}
    rows: dict[Picture, Row] = {}  # unpaired, one picture is in several pairs
    for pair in held_out:
        shared = [picture for picture in (*pair.a, *pair.b) if picture in trained]
        if shared:
            detail = f"{shared[0]} is also in {trained[shared[0]].name}"
            rows.setdefault(shared[0], Row(pair.name, detail))
    title = f"{count(len(rows), f'held-out {noun}')} {_is(rows)} trained on"
    return found("leak", title, "error", rows.values(), LEAK)


def near_copies(survey: Survey) -> Iterator[Finding]:
    """Pairs that look the same on both sides: saved again, resized, made a little brighter."""
    inside, across = [], []
    for one, other, difference in _near(survey):
        detail = f"nearly {survey.name(one)} ({difference:.1%} different)"
        if survey.split(one) == survey.split(other):
            inside.append(Row(survey.name(other), detail))
        else:
            across.append(Row(survey.name(other), detail))
    title = f"{count(len(inside), survey.noun)} {_is(inside)} nearly another one"
    yield from found("near-duplicate", title, "warning", inside, REMOVE)
    title = f"{count(len(across), f'held-out {survey.noun}')} {_is(across)} nearly one trained on"
    yield from found("near-leak", title, "warning", across, LEAK)


def _near(survey: Survey) -> Iterator[tuple[int, int, float]]:
    for places in survey.comparable:
        for one, other, difference in near([survey.looks[place] for place in places]):
            yield places[one], places[other], difference


def _twice(survey: Survey, groups: list[list[int]]) -> Iterator[Finding]:
    rows = []
    for group in groups:
        for split in ("train", "validation"):
            first, *others = [place for place in group if survey.split(place) == split] or [-1]
            rows += [Row(survey.name(at), f"same as {survey.name(first)}") for at in others]
    copied = count(len(rows), f"{survey.noun} is a copy", f"{survey.noun}s are copies")
    title = f"{copied} of another one"
    yield from found("duplicate", title, "warning", rows, REMOVE)


def _ambiguous(survey: Survey, groups: list[list[int]]) -> Iterator[Finding]:
    rows = []
    for group in groups:
        seen = {_pair(survey.looks[place]): place for place in reversed(group)}
        first, *others = sorted(seen.values())
        rows += [
            Row(survey.name(at), f"the source of {survey.name(first)}, another target")
            for at in others
        ]
    title = f"{count(len(rows), 'pair')} with the source of another pair and a target of its own"
    severity: Severity = "warning"
    remedy = "keep one target for each source: of several the network learns their mean, a blur"
    yield from found("ambiguous", title, severity, rows, remedy)


def _across(survey: Survey, alike: dict[str, list[list[int]]]) -> list[Row]:
    """Held-out pairs that share something with a training pair, each told once."""
    rows: dict[int, Row] = {}
    for what, groups in alike.items():
        for group in groups:
            trained = [place for place in group if survey.split(place) == "train"]
            held_out = [place for place in group if survey.split(place) != "train"]
            if trained:
                detail = f"{what} {survey.name(trained[0])}"
                for place in held_out:
                    rows.setdefault(place, Row(survey.name(place), detail))
    return [rows[place] for place in sorted(rows)]


def _groups(survey: Survey, key: Callable[[Look], Hashable | None]) -> list[list[int]]:
    """The places of looks that share a key, where there is more than one; in order."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for place, seen in enumerate(survey.looks):
        if (its := key(seen)) is not None:
            places[its].append(place)
    return [group for group in places.values() if len(group) > 1]


def _pair(seen: Look) -> Hashable | None:
    if not all(side.facts for side in seen.sides):
        return None
    if all(side.facts.constant for side in seen.sides if side.facts):
        return None  # told already, as constant
    # A side that is not there counts too: no source is the copy of a target.
    return tuple(side and side.facts and side.facts.digest for side in (seen.source, seen.target))


def _source(seen: Look) -> Hashable | None:
    facts = seen.source.facts if seen.source else None
    return facts.digest if facts and not facts.constant else None


def _rich_target(seen: Look) -> Hashable | None:
    facts = seen.target.facts if seen.target else None
    if facts is None:
        return None
    colours = {facts.thumb[at::144] for at in range(144)}
    return facts.digest if len(colours) > RICH else None


def _is(rows: Sized) -> str:
    return "is" if len(rows) == 1 else "are"
