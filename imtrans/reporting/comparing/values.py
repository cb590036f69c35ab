"""The values of a comparison as rows of a page: each with its difference, drawn around zero."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from imtrans.evaluation.comparison import Comparison, PairedDifference
from imtrans.evaluation.verdict import VERDICTS, seeds_of
from imtrans.reporting.series import shown

SIDE, REACH = 1000, 460  # a drawing is as wide; how far from its middle the largest bound is


@dataclass(frozen=True)
class ValueRow:
    """A metric of two sides. Of the drawing the middle is zero, and to the right is better."""

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
    sign = 1 if difference.higher_is_better else -1

    def place(value: float) -> float:
        return round(SIDE / 2 + sign * value / largest * REACH, 1)

    low, high, interval = None, None, "-"
    if difference.low is not None and difference.high is not None:
        low, high = sorted((place(difference.low), place(difference.high)))
        interval = f"{signed(difference.low)} to {signed(difference.high)}"
    return ValueRow(
        name,
        "higher is better" if difference.higher_is_better else "lower is better",
        shown(first),
        shown(other),
        signed(difference.value),
        interval,
        VERDICTS[difference.better],
        place(difference.value),
        low,
        high,
    )


def signed(value: float) -> str:
    """A difference: with its sign, and a minus of full width."""
    text = shown(value)
    return f"\N{MINUS SIGN}{text[1:]}" if text.startswith("-") else f"+{text}" if value else text
