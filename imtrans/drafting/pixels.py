"""What the files of a side hold: channels, dtype, range, and how they are resized."""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

from imtrans.drafting.choice import Choice
from imtrans.drafting.sample import BEHIND, SideSample
from imtrans.recipe.side_table import DTYPE_RANGES

SPAN = 0.25  # share of its range that a side should use
DEPTHS = (10, 12, 14)  # bits that cameras and scanners store in 16


def pixels(side: str, stored: dict[str, Any], sample: SideSample) -> Iterator[Choice]:
    """The table of a side, `data.source` or `data.target`; `stored` has its dtype and channels."""
    table = f"data.{side}"
    kinds = Counter(found.kind for found in sample.headers).most_common()
    if not kinds:
        return
    kind, number = kinds[0]
    files = f"all {number} files looked at are" if len(kinds) == 1 else "most files are"
    read = ", read as RGB" if stored["channels"] == 3 and "RGB" not in kind else ""
    yield Choice(table, "channels", stored["channels"], f"{files} {kind}{read}")
    yield Choice(table, "dtype", stored["dtype"], "what the files hold; nothing is converted")
    yield Choice(table, "range", *_range(stored["dtype"], sample))
    if any(found.alpha for found in sample.headers):
        reason = 'what transparent pixels become; also "black", "drop", "keep"'
        yield Choice(table, "alpha", BEHIND, reason)


def _range(dtype: str, sample: SideSample) -> tuple[list[float], str]:
    """What becomes -1 and 1, and why."""
    low, high = sample.low, sample.high
    whole = DTYPE_RANGES.get(dtype)
    if whole and (sample.colours or low == high or high - low >= SPAN * (whole[1] - whole[0])):
        return [int(end) for end in whole], f"what becomes -1 and 1: all that {dtype} can be"
    if low == high:
        return [0.0, 1.0], "what becomes -1 and 1: float32 needs it; give that of your values"
    span = _rounded(low, high, whole=whole is not None)
    found = f"the files looked at have {low:g} ... {high:g}"
    return span, f"what becomes -1 and 1: {found}; values beyond are clipped"


def _rounded(low: float, high: float, *, whole: bool) -> list[float]:
    """A range of round numbers that holds the values, with a little room."""
    for least, most in ((0.0, 1.0), (-1.0, 1.0)):
        if not whole and least <= low and 0.5 < high <= most:
            return [least, most]
    if whole and low < 0.1 * high:
        for bits in DEPTHS:
            if 2 ** (bits - 1) < high < 2**bits:
                return [0, 2**bits - 1]
    unit = 10 ** math.floor(math.log10((high - low) / 10))
    bottom, top = math.floor(low / unit) * unit, math.ceil(high / unit) * unit
    if low >= 0 and low < 0.1 * high:
        bottom = 0
    if whole:
        return [max(0, int(bottom)), int(top)]
    digits = max(0, -math.floor(math.log10(unit)))
    return [round(float(bottom), digits), round(float(top), digits)]
