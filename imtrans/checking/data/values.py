"""Values: pictures of one colour, and stored values compared with the recipe's range."""

from collections.abc import Iterator

from imtrans.checking.data.inspection import Inspection
from imtrans.checking.data.pixel_summary import PixelSummary
from imtrans.checking.finding import Finding, Row, finding_of
from imtrans.host.words import counted
from imtrans.recipe.side_table import DTYPE_RANGES, SideTable

MOST = 0.5  # share of a side's values outside its range above which the range must be wrong
SOME = 0.01  # share of a picture's values outside the range above which it is listed
SPAN = 0.25  # share of its range that a set should use, or it is trained with little contrast


def constant(inspection: Inspection) -> Iterator[Finding]:
    """Pictures of one colour; a side of nothing else is an error."""
    rows: list[Row] = []
    whole: list[Row] = []
    for side in ("source", "target"):
        known = _summaries(inspection, side)
        flat = [(place, summary) for place, summary in known if summary.constant]
        found = whole if len(flat) == len(known) > 1 else rows
        for place, summary in flat:
            files = ", ".join(inspection.files(place, side))
            found.append(Row(files, f"{side}: {_colour(summary)}"))
    message = f"every picture of a side is of one colour: {counted(len(whole), 'picture')}"
    remedy = "look at these files: nothing can be learned from them"
    yield from finding_of("constant", message, "error", whole, remedy)
    message = f"{counted(len(rows), 'picture is', 'pictures are')} of one colour"
    remedy = "remove these pairs, unless the network should learn empty pictures too"
    yield from finding_of("constant", message, "warning", rows, remedy)


def _colour(summary: PixelSummary) -> str:
    if summary.high > summary.low:
        return f"one colour, values {summary.low:g} ... {summary.high:g}"
    return f"every value is {summary.low:g}"


def outside(inspection: Inspection) -> Iterator[Finding]:
    """Stored values outside the recipe's range."""
    for side, table in (("source", inspection.data.source), ("target", inspection.data.target)):
        known = _summaries(inspection, side)
        beyond = [(place, summary) for place, summary in known if summary.outside > SOME]
        share = sum(summary.outside for _, summary in beyond) / max(1, len(known))
        low, high = _range(table)
        rows = (
            Row(
                ", ".join(inspection.files(place, side)),
                f"{summary.outside:.1%} outside: {summary.low:g} ... {summary.high:g}",
            )
            for place, summary in sorted(beyond, key=lambda row: -row[1].outside)
        )
        yield from finding_of(
            "range",
            f"{share:.1%} of the {side}'s values are outside of its range {low:g} ... {high:g}",
            "error" if share > MOST else "warning",
            rows,
            f"set data.{side}.range to the values in the files; values beyond it are clipped",
        )


def ranges(inspection: Inspection, guessed: bool) -> Iterator[Finding]:
    """The stored values and how the recipe's range maps them; always reported."""
    rows = []
    for side, table in (("source", inspection.data.source), ("target", inspection.data.target)):
        summaries = [summary for _, summary in _summaries(inspection, side)]
        if summaries:
            low, high = _range(table)
            mean = sum(summary.mean for summary in summaries) / len(summaries)
            becomes = f"{low:g} ... {high:g} becomes -1 ... 1"
            if table.classes:
                becomes = f"each of {len(table.classes)} classes becomes a channel"
            about = f"{_span(summaries)}, mean {mean:.4g}"
            rows.append(Row(side, about if guessed else f"{about}; {becomes}"))
    remedy = "data.source.range and data.target.range are mapped to -1 ... 1"
    yield from finding_of("values", "stored values", "note", rows, remedy)


def narrow(inspection: Inspection, guessed: bool) -> Iterator[Finding]:
    """A set that uses a small part of its range: 12 bits stored in 16, or class numbers."""
    for side, table in (("source", inspection.data.source), ("target", inspection.data.target)):
        summaries = [summary for _, summary in _summaries(inspection, side)]
        if table.classes or not summaries or (guessed and table.dtype == "float32"):
            continue
        low, high = _range(table)
        least = min(summary.low for summary in summaries)
        largest = max(summary.high for summary in summaries)
        if least == largest or largest - least >= SPAN * (high - low):
            continue
        row = Row(side, f"{_span(summaries)}; the range is {low:g} ... {high:g}")
        yield from finding_of(
            "narrow",
            f"the {side} uses {(largest - least) / (high - low):.1%} of its range",
            "warning",
            [row],
            f"set data.{side}.range = [{least}, {largest}], or, if these are class numbers, "
            f"data.{side}.classes",
        )


def _span(summaries: list[PixelSummary]) -> str:
    least = min(summary.low for summary in summaries)
    largest = max(summary.high for summary in summaries)
    return f"{least:g} ... {largest:g}"


def _range(table: SideTable) -> tuple[float, float]:
    return table.range or DTYPE_RANGES[table.dtype]


def _summaries(inspection: Inspection, side: str) -> list[tuple[int, PixelSummary]]:
    return [
        (place, inspected.summary)
        for place, its, inspected in inspection.sides()
        if its == side and inspected.summary
    ]
