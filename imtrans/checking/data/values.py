"""Values: pictures that show nothing, and what the recipe's range makes of those stored."""

from collections.abc import Iterator

from imtrans.checking.data.facts import Facts
from imtrans.checking.data.finding import Finding, Row, count, found
from imtrans.checking.data.survey import Survey
from imtrans.data.encoding import DTYPE_RANGES
from imtrans.recipe.schema import SideTable

MOST = 0.5  # of the values of a side outside its range: the range is mistaken
SOME = 0.01  # of the values of a picture
SPAN = 0.25  # of the range is all that a set uses: it would be taught in pale colours


def constant(survey: Survey) -> Iterator[Finding]:
    """Pictures of one colour."""
    rows = []
    for place, side, seen in survey.sides():
        if seen.facts and seen.facts.constant:
            value = f"every value is {seen.facts.low:g}"
            if seen.facts.high > seen.facts.low:
                value = f"one colour, values {seen.facts.low:g} ... {seen.facts.high:g}"
            rows.append(Row(", ".join(survey.files(place, side)), f"{side}: {value}"))
    title = f"{count(len(rows), 'picture is', 'pictures are')} of one colour"
    remedy = "take these pairs out, unless nothing is what they are to teach"
    yield from found("constant", title, "warning", rows, remedy)


def outside(survey: Survey) -> Iterator[Finding]:
    """Values that the recipe's range does not hold."""
    for side, table in (("source", survey.data.source), ("target", survey.data.target)):
        seen = [(place, facts) for place, facts in _facts(survey, side) if facts.outside > SOME]
        share = sum(facts.outside for _, facts in seen) / max(1, len(_facts(survey, side)))
        low, high = _range(table)
        rows = (
            Row(
                ", ".join(survey.files(place, side)),
                f"{facts.outside:.1%} outside: {facts.low:g} ... {facts.high:g}",
            )
            for place, facts in sorted(seen, key=lambda row: -row[1].outside)
        )
        yield from found(
            "range",
            f"{share:.1%} of the {side}'s values are outside of its range {low:g} ... {high:g}",
            "error" if share > MOST else "warning",
            rows,
            f"set data.{side}.range to what the files hold; results are cut off at the range",
        )


def ranges(survey: Survey, guessed: bool) -> Iterator[Finding]:
    """Always told: what the files hold, and what the recipe's range makes of it."""
    rows = []
    for side, table in (("source", survey.data.source), ("target", survey.data.target)):
        seen = [facts for _, facts in _facts(survey, side)]
        if seen:
            low, high = _range(table)
            mean = sum(facts.mean for facts in seen) / len(seen)
            becomes = "" if guessed else f"; {low:g} ... {high:g} becomes -1 ... 1"
            rows.append(Row(side, f"{_span(seen)}, mean {mean:.4g}{becomes}"))
    remedy = "data.source.range and data.target.range say what becomes -1 ... 1"
    yield from found("values", "stored values", "note", rows, remedy)


def narrow(survey: Survey, guessed: bool) -> Iterator[Finding]:
    """A whole set that uses a small part of the range: 12 bits in 16, or numbers of classes."""
    for side, table in (("source", survey.data.source), ("target", survey.data.target)):
        seen = [facts for _, facts in _facts(survey, side)]
        if table.classes or not seen or (guessed and table.dtype == "float32"):
            continue
        low, high = _range(table)
        least, largest = min(facts.low for facts in seen), max(facts.high for facts in seen)
        if least == largest or largest - least >= SPAN * (high - low):
            continue
        row = Row(side, f"{_span(seen)}; the range is {low:g} ... {high:g}")
        yield from found(
            "narrow",
            f"the {side} uses {(largest - least) / (high - low):.1%} of its range",
            "warning",
            [row],
            f"set data.{side}.range = [{least}, {largest}], or, if these are numbers of classes, "
            f"data.{side}.classes",
        )


def _span(seen: list[Facts]) -> str:
    least, largest = min(facts.low for facts in seen), max(facts.high for facts in seen)
    return f"{least:g} ... {largest:g}"


def _range(table: SideTable) -> tuple[float, float]:
    return table.range or DTYPE_RANGES[table.dtype]


def _facts(survey: Survey, side: str) -> list[tuple[int, Facts]]:
    return [
        (place, seen.facts) for place, its, seen in survey.sides() if its == side and seen.facts
    ]
