"""What a result takes over from the tags of its source: where it is on Earth, its resolution, whose
it is."""

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from tifffile import TiffPage

from imtrans.data.pixels.formats.tiff import Page

RESOLUTION, UNIT = (282, 283), 296
# GeoTIFF: pixel scale, tie points, transformation, keys and their values.
GEOREFERENCE = (33550, 33922, 34264, 34735, 34736, 34737)
# Artist and copyright. Not kept: descriptions (other programs write shapes and band names there,
# GDAL statistics of bands: 270, 42112) and dates, which are not the result's.
RIGHTS = (315, 33432)
NODATA = 42113  # the value of pixels that mean nothing, as text: GDAL's
PROFILE = 34675  # ICC
MOST = 2**24  # bytes of one tag


class KeptTags(NamedTuple):
    """Tags of a result, as tifffile takes them: (code, type, count, value, at the first page)."""

    extra: tuple[tuple[int, int, int, Any, bool], ...] = ()
    resolution: tuple[Fraction, Fraction] | None = None
    unit: int | None = None
    profile: bytes | None = None


def kept_tags(page: Page, channels: int, dtype: str) -> KeptTags:
    """The tags of a page that hold for a result of its size, of so many channels of a dtype."""
    found, extra = page.found, []
    if page.orientation != 1:  # the result is upright: its rows are others
        return KeptTags()
    for code in (*GEOREFERENCE, *RIGHTS):
        extra += _copied(found, code)
    if _fits(found.tags.valueof(NODATA), dtype):
        extra += _copied(found, NODATA)
    across, down = (_fraction(found.tags.valueof(code)) for code in RESOLUTION)
    unit = found.tags.valueof(UNIT)
    return KeptTags(
        tuple(extra),
        (across, down) if across and down else None,
        int(unit) if unit in (1, 2, 3) else None,
        _profile(found, channels),
    )


def _copied(found: TiffPage, code: int) -> list[tuple[int, int, int, Any, bool]]:
    tag = found.tags.get(code)
    if tag is None or tag.valuebytecount > MOST or tag.value in (None, ""):
        return []
    value = tag.value
    if isinstance(value, str):
        return [(code, 2, 0, value, True)]
    return [(code, int(tag.dtype), int(tag.count), value, True)]


def _fits(text: object, dtype: str) -> bool:
    """Whether a value is one that pixels of a dtype can have."""
    try:
        value = float(str(text))
    except ValueError:
        return False
    if dtype == "float32":
        return True
    return value.is_integer() and 0 <= value <= np.iinfo(dtype).max


def _fraction(value: object) -> Fraction | None:
    if not isinstance(value, tuple) or len(value) != 2 or not value[1] or value[0] < 1:
        return None
    return Fraction(int(value[0]), int(value[1]))


def _profile(found: TiffPage, channels: int) -> bytes | None:
    """The colour profile, if it is of as many colours as the result has."""
    profile = found.tags.valueof(PROFILE)
    if not isinstance(profile, bytes) or not 128 <= len(profile) <= MOST:
        return None
    return profile if {b"GRAY": 1, b"RGB ": 3}.get(profile[16:20]) == channels else None
