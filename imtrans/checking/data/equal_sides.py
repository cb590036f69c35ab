"""Pairs whose source and target are the same picture, also saved again as JPEG."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from imtrans.checking.finding import Finding, Row, finding_of
from imtrans.host.words import counted

if TYPE_CHECKING:
    from imtrans.checking.data.inspected_pair import Views
    from imtrans.checking.data.inspection import Inspection

# Saved again as JPEG, a picture differs from itself by 0.01 ... 0.15 of its contrast; the sides of
# the real sets differ by 0.8 ... 2. Where a source is its target with noise, blurred or grey, most
# pairs differ little: then only equal sides are reported.
NEAR, USUAL = 0.15, 0.6
FEWEST = 8  # pairs; fewer do not show what is usual
FLAT = 4.0  # levels of contrast below which a picture cannot be recognised


def difference(views: "Views") -> float | None:
    """How much two views differ, as a share of the contrast of both; None without contrast."""
    if views.source is None or views.target is None:
        return None
    # One of 16 pixels is enough, and much faster.
    one, other = (view[:, ::4, ::4].float().flatten(1) for view in (views.source, views.target))
    contrast = float(one.std(1, correction=0).square().mean()) / 2
    contrast += float(other.std(1, correction=0).square().mean()) / 2
    if contrast < FLAT**2:
        return None
    apart = float((one - other).square().mean() / contrast) ** 0.5
    return apart if apart or torch.equal(views.source, views.target) else 1e-9


def equal_sides(inspection: "Inspection") -> Iterator[Finding]:
    """Pairs whose sides are equal; and nearly equal, if those of most pairs are not."""
    known = [
        (place, pair.apart)
        for place, pair in enumerate(inspection.inspected)
        if pair.apart is not None
    ]
    usual = float(np.median([apart for _, apart in known])) if known else 0.0
    near = NEAR if usual >= USUAL and len(known) >= FEWEST else 0.0
    rows = [
        Row(
            inspection.name(place),
            f"its sides differ by {apart:.1%} of their contrast, those of most pairs by {usual:.0%}"
            if apart
            else "its sides are equal",
        )
        for place, apart in known
        if apart <= near
    ]
    number = counted(len(rows), "pair has", "pairs have")
    message = f"{number} the same picture on both sides"
    remedy = "replace one side: such pairs teach to change nothing"
    most = len(rows) > len(known) / 2
    yield from finding_of("equal-sides", message, "error" if most else "warning", rows, remedy)
