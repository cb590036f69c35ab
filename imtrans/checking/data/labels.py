"""Label maps: colours that are no class, and label maps that JPEG has blurred."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from imtrans.checking.data.finding import Finding, Row, count, found
from imtrans.checking.data.palette import dominant_colours
from imtrans.checking.data.survey import Survey

FEW = 0.001  # of a label map's pixels may be of no class
MOST = 0.5  # of all pixels: the palette is another one


def off_palette(survey: Survey) -> Iterator[Finding]:
    """Pictures with colours that data.*.classes does not name."""
    for side in ("source", "target"):
        seen = [
            (place, look.facts.strays)
            for place, its, look in survey.sides()
            if its == side and look.facts and look.facts.strays
        ]
        bad = sorted((row for row in seen if row[1].share > FEW), key=lambda row: -row[1].share)
        share = sum(strays.share for _, strays in seen) / max(1, len(seen))
        rows = (
            Row(
                ", ".join(survey.files(place, side)),
                f"{strays.share:.1%} of its pixels, most often {list(strays.colour)}",
            )
            for place, strays in bad
        )
        yield from found(
            "palette",
            f"{count(len(bad), 'label map')} of the {side} with colours outside the palette, "
            f"{share:.1%} of all pixels",
            "error" if share > MOST else "warning",
            rows,
            f"add missing colours to data.{side}.classes; strays along borders come of JPEG or of "
            "smooth resizing: save labels as PNG. each is taken for its nearest class",
        )


def blurred(survey: Survey, views: Mapping[str, Sequence[Tensor]]) -> Iterator[Finding]:
    """A side that looks like label maps in JPEG; `views` are some pictures of each side."""
    tables = {"source": survey.data.source, "target": survey.data.target}
    for side, table in tables.items():
        if table.classes or table.dtype != "uint8" or not _is_jpeg(survey, side):
            continue
        colours = dominant_colours(views.get(side, []))
        listed = ", ".join(str(list(colour)) for colour in colours)
        rows = [Row(side, f"{len(colours)} colours come again and again")] if colours else []
        yield from found(
            "blurred",
            f"the {side} looks like label maps in JPEG, which blurs borders and shifts colours",
            "note",
            rows,
            f"save them as PNG if you have the originals; a channel per class is learned with "
            f'data.{side}.resample = "nearest" and data.{side}.classes = [{listed}]',
        )


def _is_jpeg(survey: Survey, side: str) -> bool:
    for _, its, look in survey.sides():
        header = look.files[0].header
        if its == side and header:
            return bool(header.format == "JPEG")
    return False
