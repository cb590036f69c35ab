"""What the files of each side hold: their dtype and channels, as their headers say."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.checking.data.inspected_pair import sources_and_targets
from imtrans.data.pairs import spread
from imtrans.data.pixels.formats.header import ImageHeader, header
from imtrans.data.pixels.formats.stored import STORED
from imtrans.recipe.schema import DataTable
from imtrans.recipe.side_table import SideTable

ENOUGH = 100  # pictures whose headers are read


def as_stored(pairs: Sequence[Pair], data: DataTable) -> dict[str, dict[str, Any]]:
    """The dtype and channels of most files of each side: keys of data.source and data.target."""
    some = [pairs[at] for at in spread(len(pairs), ENOUGH)]
    both = [sources_and_targets(pair, data) for pair in some]
    tables: dict[str, dict[str, Any]] = {}
    for side, pictures in (("source", [b[0] for b in both]), ("target", [b[1] for b in both])):
        kinds = Counter(kind for several in pictures if (kind := _kind(several)))
        if kinds:
            (dtype, channels), _ = kinds.most_common(1)[0]
            tables[side] = {"dtype": dtype, "channels": channels}
    return tables


def with_sides(data: DataTable, tables: dict[str, dict[str, Any]]) -> DataTable:
    """The data table with these keys in its sides."""
    sides = {
        side: SideTable.model_validate(
            # float32 needs some range; a guessed one is not used in any check.
            {"range": (0.0, 1.0) if keys["dtype"] == "float32" else None, **keys}
        )
        for side, keys in tables.items()
    }
    return data.model_copy(update=sides)


def _kind(pictures: Sequence[Picture]) -> tuple[str, int] | None:
    """Dtype and channels of one side of one pair, if its headers can be read."""
    headers = list(headers_of(pictures))
    if not headers or len(headers) < len(pictures) or headers[0].dtype not in STORED:
        return None
    channels = sum(one.channels for one in headers)
    if len(headers) == 1 and headers[0].colour == "CMYK":
        channels = 3  # it is decoded to RGB
    return headers[0].dtype, channels


def headers_of(pictures: Iterable[Picture]) -> Iterator[ImageHeader]:
    for picture in pictures:
        try:
            yield header(picture)
        except ImtransError:
            continue  # the check reports it
