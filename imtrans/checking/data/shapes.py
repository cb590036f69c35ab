"""Sizes: sides of different shapes, EXIF rotation of one side only, and the sizes in the set."""

from collections import Counter
from collections.abc import Iterator

from imtrans.checking.data.inspected_pair import InspectedPair, InspectedSide, Size, same_shape
from imtrans.checking.data.inspection import Inspection
from imtrans.checking.finding import Finding, Row, finding_of
from imtrans.host.words import counted
from imtrans.recipe.schema import DataTable

SIZES = 5  # up to so many different sizes are listed


def shapes(inspection: Inspection) -> Iterator[Finding]:
    """Pairs whose sides have different shapes, which training refuses."""
    rows = []
    for place, pair in enumerate(inspection.inspected):
        sizes = _sizes(pair)
        if sizes and not same_shape(*sizes):
            hint = "; only one is rotated by its EXIF tag" if _one_rotated(pair) else ""
            detail = f"source {_text(sizes[0])}, target {_text(sizes[1])}{hint}"
            rows.append(Row(inspection.name(place), detail))
    message = f"in {counted(len(rows), 'pair')} the sides have different shapes"
    yield from finding_of("size", message, "error", rows, "crop one side to what the other shows")


def rotated(inspection: Inspection) -> Iterator[Finding]:
    """Pairs of which an EXIF tag rotates one side only, or a file before it is cut in halves."""
    rows = []
    for place, pair in enumerate(inspection.inspected):
        if pair.source is None or pair.target is None:
            continue
        source, target = _orientation(pair.source), _orientation(pair.target)
        if source != target:
            detail = f"orientation: source {source}, target {target}"
            rows.append(Row(inspection.name(place), detail))
        elif source != 1 and inspection.pictures(place, "target")[0].half:
            detail = f"orientation {source}: the file is rotated before it is cut into halves"
            rows.append(Row(inspection.name(place), detail))
    number = counted(len(rows), "pair")
    message = f"{number} of which an EXIF tag rotates one side only, or both halves"
    remedy = (
        "imtrans applies the tag, as viewers do: see whether the sides match, then store the "
        "pixels upright (exiftran -a, or mogrify -auto-orient) or remove the tag"
    )
    yield from finding_of("rotated", message, "warning", rows, remedy)


def sizes(inspection: Inspection) -> Iterator[Finding]:
    """The sizes in the set, and how training resizes them."""
    rows = []
    for side in ("source", "target"):
        found = [part.size for _, its, part in inspection.sides() if its == side and part.size]
        if found:
            rows.append(Row(side, _tally(found)))
    (height, width), crop = inspection.data.load, inspection.data.crop
    resized = f"is resized, {_fitting(inspection.data)}, and"
    if {size for _, _, part in inspection.sides() if (size := part.size)} == {(width, height)}:
        resized = "is not resized, and"
    remedy = f"each {resized} cropped to {_text((crop[1], crop[0]))} px"
    yield from finding_of("sizes", "sizes (px)", "note", rows, remedy)


def _fitting(data: DataTable) -> str:
    """How a picture is brought to load size."""
    height, width = data.load
    if height == width:
        sides = "its shorter side" if data.resize == "shorter" else "both its sides"
        return f"{sides} to {height} px"
    return f"{'to cover' if data.resize == 'shorter' else 'to'} {width} x {height} px"


def _sizes(pair: InspectedPair) -> tuple[Size, Size] | None:
    if pair.source is None or pair.target is None:
        return None
    if pair.source.size is None or pair.target.size is None:
        return None
    return pair.source.size, pair.target.size


def _one_rotated(pair: InspectedPair) -> bool:
    return len({_orientation(side) for side in pair.sides}) > 1


def _orientation(side: InspectedSide) -> int:
    header = side.files[0].header
    return header.orientation if header else 1


def _tally(sizes: list[Size]) -> str:
    times = Counter(sizes)
    if len(times) > SIZES:
        spans = ((min(lengths), max(lengths)) for lengths in zip(*times, strict=True))
        width, height = (f"{low} ... {high}" if low < high else str(low) for low, high in spans)
        return f"{len(times)} sizes, {width} wide, {height} high"
    return ", ".join(f"{_text(size)} ({number:,})" for size, number in times.most_common())


def _text(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
