"""Findings about sides that do not belong together: shuffled pairs, targets that are changed."""

from collections.abc import Iterator, Mapping

import numpy as np

from imtrans.checking.data.belonging import STRONG, Belonging
from imtrans.checking.data.inspection import Inspection
from imtrans.checking.data.pixel_summary import THUMB
from imtrans.checking.data.signatures import CHANGES
from imtrans.checking.finding import Finding, Row, finding_of
from imtrans.host.words import counted

# Share of their contrast by which two targets of a set must differ, or all look the same: then no
# picture can be recognised among them. 1.0 ... 1.4 in real sets.
DIFFERENT = 0.4
SOME = 200  # targets that are compared for this


def together(
    inspection: Inspection,
    compared: Belonging,
    places: list[int],
    explained: set[int],
    changed: Mapping[int, int],
) -> Iterator[Finding]:
    """`compared`: of the pairs at `places`. Pairs that are `explained` by another finding, or by
    the `changed` target (place -> which of CHANGES), are not reported as unrelated."""
    if compared.unrelated:
        if _varied(inspection, places):
            yield from _unrelated(compared)
        return
    yield from _changed(inspection, changed)
    scores = {places[at]: float(compared.pairs[at]) for at in compared.suspects}
    suspects = {at: score for at, score in scores.items() if at not in {*explained, *changed}}
    if suspects:
        yield from _mismatched(inspection, suspects, float(np.nanmedian(compared.pairs)))


def _unrelated(compared: Belonging) -> Iterator[Finding]:
    message = "the sources and targets of the whole set do not seem to belong together"
    detail = (
        f"{compared.known} sources, each compared with its own target and with those of others: "
        f"its own fits no better than chance would have it ({compared.strength:.1f} standard "
        f"deviations above chance; sets of 20 pairs and more exceed {STRONG}, most by far)"
    )
    remedy = "look at some pairs (imtrans data show); compare how files are named and sorted"
    yield from finding_of("unrelated", message, "error", [Row("the whole set", detail)], remedy)


def _mismatched(
    inspection: Inspection, scores: Mapping[int, float], usual: float
) -> Iterator[Finding]:
    number = counted(len(scores), "pair", "pairs")
    message = f"{number} whose source and target do not seem to belong together"
    rows = [
        Row(
            inspection.name(place),
            "its sides fit each other like those of different pairs "
            f"({score:.1f} standard deviations above these; most pairs: {usual:.1f})",
        )
        for place, score in sorted(scores.items(), key=lambda row: row[1])
    ]
    remedy = "look at both sides; find the right target, or remove the pair"
    yield from finding_of("mismatched", message, "warning", rows, remedy)


def _changed(inspection: Inspection, changed: Mapping[int, int]) -> Iterator[Finding]:
    number = counted(len(changed), "pair has", "pairs have")
    message = f"{number} a side that looks mirrored, turned or recoloured against the other"
    rows = [
        Row(
            inspection.name(place),
            f"its sides fit each other much better with one of them {CHANGES[change].words}; "
            "those of most pairs fit best as they are",
        )
        for place, change in sorted(changed.items())
    ]
    remedy = "look at both sides; change one back, or remove the pair"
    yield from finding_of("changed", message, "error", rows, remedy)


def _varied(inspection: Inspection, places: list[int]) -> bool:
    """Whether both sides differ from pair to pair."""
    some = places[:: -(-len(places) // SOME)]
    for side in ("source", "target"):
        pairs = [inspection.inspected[place] for place in some]
        summaries = [(pair.source if side == "source" else pair.target) for pair in pairs]
        thumbs = np.stack(
            [
                np.frombuffer(its.summary.thumb, np.uint8).reshape(3, THUMB * THUMB)
                for its in summaries
                if its and its.summary
            ]
        ).astype(np.float32)
        thumbs -= thumbs.mean(2, keepdims=True)
        difference = np.sqrt(((thumbs - np.roll(thumbs, len(thumbs) // 2, 0)) ** 2).mean((1, 2)))
        contrast = np.sqrt((thumbs**2).mean((1, 2)))
        if float(np.median(difference / np.maximum(contrast, 1.0))) < DIFFERENT:
            return False
    return True
