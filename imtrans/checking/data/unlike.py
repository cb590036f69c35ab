"""Pictures that are unlike the others of their side, as known mistakes make them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imtrans.checking.data.colours import miscoloured
from imtrans.checking.data.inspection import Inspection
from imtrans.checking.data.look import Look
from imtrans.checking.data.pixel_summary import THUMB
from imtrans.checking.finding import Finding, Row, finding_of
from imtrans.host.words import counted

FEWEST = 20  # pictures of a side; fewer do not show what is usual
RARE = 0.3  # the largest share of a side that can be unlike the others
# The brightest part of a dark picture, as a share of what is usual; at least 0.3 in the real sets.
# It must also be as many standard deviations from it: sets with night and day accuse nobody.
DARK, APART = 0.28, 4.0
GREY, COLOURFUL = 1.0, 15.0  # levels between the channels of grey files, of usual colour files
CUT = 0.2  # share of the height of one colour at the bottom
# Where this share of the others have so many flat rows, a colour that is this share of their
# pixels, to so many levels, is no filling.
SOME_FLAT, SOME_CUT, USED, ALIKE = 0.02, 0.02, 0.01, 6.0

Numbers = NDArray[np.float32]
Known = list[tuple[int, Look]]


def unlike(inspection: Inspection, evidences: Sequence[Any]) -> Iterator[Finding]:
    """`evidences` has one for each inspected pair, or None."""
    for side in ("source", "target"):
        known = [
            (place, inspected.summary.look)
            for place, its, inspected in inspection.sides()
            if its == side and inspected.summary and not inspected.summary.constant
        ]
        if len(known) >= FEWEST:
            yield from _dark(inspection, side, known)
            yield from _grey(inspection, side, known)
            yield from _cut(inspection, side, known)
    yield from _miscoloured(inspection, evidences)


def _dark(inspection: Inspection, side: str, known: Known) -> Iterator[Finding]:
    levels = np.log([max(look.brightest, 1.0) for _, look in known])
    usual = float(np.median(levels))
    spread = 1.4826 * float(np.median(np.abs(levels - usual)))
    least = min(usual + np.log(DARK), usual - APART * spread)
    rows = [
        Row(
            ", ".join(inspection.files(place, side)),
            f"{side}: its brightest parts have level {look.brightest:.0f}, "
            f"usual are {np.exp(usual):.0f}",
        )
        for (place, look), level in zip(known, levels, strict=True)
        if level < least
    ]
    message = f"{counted(len(rows), 'picture is', 'pictures are')} much darker than the others"
    remedy = "look at them: their values may be stored on another scale"
    yield from _few("dark", message, rows, known, remedy)


def _grey(inspection: Inspection, side: str, known: Known) -> Iterator[Finding]:
    usual = float(np.median([look.colour for _, look in known]))
    detail = f"{side}: its channels are equal; in most pictures they differ by {usual:.0f} levels"
    rows = [
        Row(", ".join(inspection.files(place, side)), detail)
        for place, look in known
        if look.colour <= GREY and usual >= COLOURFUL
    ]
    message = f"{counted(len(rows), 'picture is', 'pictures are')} grey among colour pictures"
    remedy = "replace them by their colour versions, or remove the pairs"
    yield from _few("grey", message, rows, known, remedy)


def _cut(inspection: Inspection, side: str, known: Known) -> Iterator[Finding]:
    suspects = {place: look for place, look in known if look.cut >= CUT}
    if len(suspects) > RARE * len(known):
        return
    thumbs = {place: _thumb(inspection, place, side) for place, _ in known}
    others = {place: look for place, look in known if place not in suspects}
    # Drawings and labels have flat rows of their own, but not of any colour.
    flat = np.mean([look.cut >= SOME_CUT for look in others.values()]) > SOME_FLAT
    pixels = np.concatenate([np.zeros((3, 0)), *(thumbs[place] for place in others)], axis=1)
    rows = []
    for place, look in suspects.items():
        band = thumbs[place][:, -THUMB:].mean(1, keepdims=True)
        share = float((np.abs(pixels - band).max(0) <= ALIKE).mean())
        if share < USED or not flat:
            detail = f"{side}: the lower {look.cut:.0%} are of one colour, as in hardly any other"
            rows.append(Row(", ".join(inspection.files(place, side)), detail))
    message = f"{counted(len(rows), 'picture looks', 'pictures look')} cut off"
    remedy = "look at them: decoders fill up what a truncated file lacks. copy these files again"
    yield from _few("cut-off", message, rows, known, remedy)


def _thumb(inspection: Inspection, place: int, side: str) -> Numbers:
    """(3, THUMB * THUMB)"""
    pair = inspection.inspected[place]
    inspected = pair.source if side == "source" else pair.target
    content = inspected.summary.thumb if inspected and inspected.summary else b""
    return np.frombuffer(content, np.uint8).reshape(3, -1).astype(np.float32)


def _miscoloured(inspection: Inspection, evidences: Sequence[Any]) -> Iterator[Finding]:
    places = [place for place, evidence in enumerate(evidences) if evidence is not None]
    for at, side in enumerate(("source", "target")):
        found = miscoloured([evidences[place].gains[at] for place in places])
        rows = [
            Row(
                ", ".join(inspection.files(places[index], side)),
                f"{side}: its colours are unusual here, but with {mistake} they would be usual",
            )
            for index, mistake in found.items()
        ]
        message = f"{counted(len(rows), 'picture has', 'pictures have')} the colours of a mistake"
        remedy = "look at them; change their colours back, or remove the pairs"
        yield from finding_of("miscoloured", message, "warning", rows, remedy)


def _few(subject: str, message: str, rows: list[Row], known: Known, remedy: str) -> list[Finding]:
    """The finding, if it is about few enough of the pictures that are known."""
    some = rows if len(rows) <= RARE * len(known) else []
    return finding_of(subject, message, "warning", some, remedy)
