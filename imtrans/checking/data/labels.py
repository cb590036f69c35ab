"""Label maps: colours that belong to no class, and label maps blurred by JPEG."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from imtrans.checking.data.inspection import Inspection
from imtrans.checking.finding import Finding, Row, finding_of
from imtrans.data.palette import dominant_colours
from imtrans.host.words import counted

FEW = 0.001  # share of a label map's pixels that may belong to no class
MOST = 0.5  # share of all pixels above which the palette must be wrong


def off_palette(inspection: Inspection) -> Iterator[Finding]:
    """Pictures with colours that data.*.classes does not name."""
    for side in ("source", "target"):
        found = [
            (place, inspected.summary.strays)
            for place, its, inspected in inspection.sides()
            if its == side and inspected.summary and inspected.summary.strays
        ]
        bad = sorted((row for row in found if row[1].share > FEW), key=lambda row: -row[1].share)
        share = sum(strays.share for _, strays in found) / max(1, len(found))
        rows = (
            Row(
                ", ".join(inspection.files(place, side)),
                f"{strays.share:.1%} of its pixels, most often {list(strays.colour)}",
            )
            for place, strays in bad
        )
        yield from finding_of(
            "palette",
            f"{counted(len(bad), 'label map')} of the {side} with colours outside the palette, "
            f"{share:.1%} of all pixels",
            "error" if share > MOST else "warning",
            rows,
            f"add missing colours to data.{side}.classes; stray colours along borders come from "
            "JPEG or smooth resizing: save labels as PNG. training uses the nearest class for each",
        )


def blurred(inspection: Inspection, views: Mapping[str, Sequence[Tensor]]) -> Iterator[Finding]:
    """A side that looks like label maps in JPEG; `views` are some pictures of each side."""
    tables = {"source": inspection.data.source, "target": inspection.data.target}
    for side, table in tables.items():
        if table.classes or table.dtype != "uint8" or not _is_jpeg(inspection, side):
            continue
        colours = dominant_colours(views.get(side, []))
        listed = ", ".join(str(list(colour)) for colour in colours)
        rows = [Row(side, f"{len(colours)} colours recur in all files")] if colours else []
        yield from finding_of(
            "blurred",
            f"the {side} looks like label maps in JPEG, which blurs borders and shifts colours",
            "note",
            rows,
            f"save them as PNG if you have the originals; for one channel per class set "
            f'data.{side}.resample = "nearest" and data.{side}.classes = [{listed}]',
        )


def _is_jpeg(inspection: Inspection, side: str) -> bool:
    for _, its, inspected in inspection.sides():
        header = inspected.files[0].header
        if its == side and header:
            return bool(header.format == "JPEG")
    return False
