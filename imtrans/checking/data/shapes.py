"""Sizes: sides that do not match, EXIF rotations of one side only, which sizes there are."""

from collections import Counter
from collections.abc import Iterator

from imtrans.checking.data.finding import Finding, Row, count, found
from imtrans.checking.data.look import Look, SideLook, Size, same_shape
from imtrans.checking.data.survey import Survey

SIZES = 5  # that are named


def shapes(survey: Survey) -> Iterator[Finding]:
    """Pairs whose sides are of two shapes, which training refuses."""
    rows = []
    for place, seen in enumerate(survey.looks):
        sizes = _sizes(seen)
        if sizes and not same_shape(*sizes):
            hint = "; only one is rotated by its EXIF tag" if _one_rotated(seen) else ""
            said = f"source {_said(sizes[0])}, target {_said(sizes[1])}{hint}"
            rows.append(Row(survey.name(place), said))
    title = f"in {count(len(rows), 'pair')} the sides are not of one shape"
    yield from found("size", title, "error", rows, "crop one side to what the other shows")


def rotated(survey: Survey) -> Iterator[Finding]:
    """Pairs of which an EXIF orientation turns one side only, or both before they are parted."""
    rows = []
    for place, seen in enumerate(survey.looks):
        if seen.source is None or seen.target is None:
            continue
        here, there = _orientation(seen.source), _orientation(seen.target)
        if here != there:
            rows.append(Row(survey.name(place), f"orientation: source {here}, target {there}"))
        elif here != 1 and survey.pictures(place, "target")[0].half:
            detail = f"orientation {here}: the file is turned before it is cut into halves"
            rows.append(Row(survey.name(place), detail))
    title = f"{count(len(rows), 'pair')} of which an EXIF tag turns one side only, or both halves"
    remedy = (
        "imtrans obeys the tag, as viewers do: see whether the sides match, then store the pixels "
        "upright (exiftran -a, or mogrify -auto-orient) or remove the tag"
    )
    yield from found("rotated", title, "warning", rows, remedy)


def sizes(survey: Survey) -> Iterator[Finding]:
    """Which sizes there are, and what becomes of them."""
    rows = []
    for side in ("source", "target"):
        seen = [look.size for _, its, look in survey.sides() if its == side and look.size]
        if seen:
            rows.append(Row(side, _tally(seen)))
    load, crop = survey.data.load_size or survey.data.crop_size, survey.data.crop_size
    whole = "its shorter side to" if survey.data.resize == "shorter" else "both its sides to"
    remedy = f"each is resized, {whole} {load} px, and cut to {crop} x {crop} px"
    yield from found("sizes", "sizes (px)", "note", rows, remedy)


def _sizes(seen: Look) -> tuple[Size, Size] | None:
    if seen.source is None or seen.target is None:
        return None
    if seen.source.size is None or seen.target.size is None:
        return None
    return seen.source.size, seen.target.size


def _one_rotated(seen: Look) -> bool:
    return len({_orientation(side) for side in seen.sides}) > 1


def _orientation(side: SideLook) -> int:
    header = side.files[0].header
    return header.orientation if header else 1


def _tally(sizes: list[Size]) -> str:
    times = Counter(sizes)
    if len(times) > SIZES:
        spans = ((min(lengths), max(lengths)) for lengths in zip(*times, strict=True))
        width, height = (f"{low} ... {high}" if low < high else str(low) for low, high in spans)
        return f"{len(times)} sizes, {width} wide, {height} high"
    named = [f"{_said(size)} ({number:,})" for size, number in times.most_common()]
    return ", ".join(named)


def _said(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
