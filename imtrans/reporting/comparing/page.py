"""A comparison as one page."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import imtrans
from imtrans.evaluation.comparison import Comparison
from imtrans.evaluation.intervals import CONFIDENCE
from imtrans.host.files import write_whole
from imtrans.reporting.comparing.material import ComparisonMaterial, gather_comparison
from imtrans.reporting.limit import within_limit
from imtrans.reporting.page import rendered
from imtrans.reporting.pictures import Encoded, Figure
from imtrans.reporting.report import WrittenReport


def write_comparison(comparison: Comparison, path: Path) -> WrittenReport:
    """Write the page about a comparison. Raises OSError when the file cannot be written."""
    material = gather_comparison(comparison)

    def render(encoded: Encoded) -> bytes:
        return rendered(
            "compare.html.jinja",
            m=material,
            encoded=encoded,
            confidence=CONFIDENCE,
            written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            version=imtrans.__version__,
        )

    page = within_limit(render, list(_figures(material)))
    write_whole(path, page)
    return WrittenReport(path, len(page))


def _figures(material: ComparisonMaterial) -> Iterator[Figure]:
    """Every picture of the page, each once."""
    rows = (row for group in material.pictures.groups for row in group.triptychs)
    return iter(dict.fromkeys(figure for row in rows for figure in row.sides.values()))
