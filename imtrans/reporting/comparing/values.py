"""The values of a comparison as rows of a page: each with its difference, drawn around zero."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imtrans.evaluation.columns import SENSES
from imtrans.evaluation.comparison import Comparison, PairedDifference
from imtrans.evaluation.verdict import seeds_of, verdict_of
from imtrans.reporting.series import shown

MOST_DECIMALS, NARROWEST = 7, 1e-6  # of an interval with decimals; narrower ones have exponents
SIDE, REACH = 1000, 460  # a drawing is as wide; how far from its middle the largest bound is


@dataclass(frozen=True)
class ValueRow:
    """A metric of two sides. Of the drawing the middle is zero, and to the right is better, or
    more where neither is."""

    name: str
    sense: str
    first: str
    other: str
    difference: str
    interval: str
    verdict: str
    at: float  # of the difference, 0 to 1000
    low: float | None  # of the ends of its interval, from left to right
    high: float | None

    @property
    def kind(self) -> str:
        """The verdict as a class of CSS."""
        return {"better": "better", "worse": "worse"}.get(self.verdict, "open")


@dataclass(frozen=True)
class ValueTable:
    """All metrics of a side beside those of the first."""

    first: str
    other: str
    seeds: tuple[str, str]  # `3 seeds`, or nothing for one
    rows: tuple[ValueRow, ...]


def tables(comparison: Comparison) -> list[ValueTable]:
    """A table for each side but the first. Drawings of a metric have one scale in all of them."""
    first, *others = comparison.sides
    return [
        ValueTable(
            first.name,
            side.name,
            (seeds_of(first), seeds_of(side)),
            tuple(_rows(comparison, index)),
        )
        for index, side in enumerate(others)
    ]


def _rows(comparison: Comparison, index: int) -> Iterator[ValueRow]:
    for name, values in comparison.values.items():
        differences = comparison.differences[name]
        yield _row(name, values[0], values[index + 1], differences[index], _largest(differences))


def _largest(differences: Sequence[PairedDifference]) -> float:
    numbers = (n for one in differences for n in (one.value, one.low, one.high) if n is not None)
    return max(map(abs, numbers), default=0.0) or 1.0


def _row(
    name: str, first: float, other: float, difference: PairedDifference, largest: float
) -> ValueRow:
    sign = -1 if difference.higher_is_better is False else 1

    def place(value: float) -> float:
        return round(SIDE / 2 + sign * value / largest * REACH, 1)

    low, high, value, interval = None, None, signed(difference.value), "-"
    if difference.low is not None and difference.high is not None:
        low, high = sorted((place(difference.low), place(difference.high)))
        digits = decimals(difference.low, difference.high)
        value = signed(difference.value, digits)
        interval = f"{signed(difference.low, digits)} to {signed(difference.high, digits)}"
    return ValueRow(
        name,
        SENSES[difference.higher_is_better],
        shown(first),
        shown(other),
        value,
        interval,
        verdict_of(difference),
        place(difference.value),
        low,
        high,
    )


def decimals(low: float, high: float) -> int | None:
    """How many decimals an interval is shown with: two digits of its half width count, and no bound
    that is not zero is shown as zero. None where it has no width, or is beyond what is drawn."""
    half = (high - low) / 2
    if not NARROWEST <= half < 1e6:
        return None
    found = max(0, 1 - math.floor(math.log10(half)))
    while found < MOST_DECIMALS and any(value and not round(value, found) for value in (low, high)):
        found += 1
    return found


def signed(value: float, digits: int | None = None) -> str:
    """A difference: with its sign, and a minus of full width; with so many decimals, or four digits
    that count."""
    text = shown(value) if digits is None else f"{value:,.{digits}f}"
    return f"\N{MINUS SIGN}{text[1:]}" if text.startswith("-") else f"+{text}" if value else text
