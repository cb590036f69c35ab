"""A TIFF written row by row: what is read back, what it takes over from its source, and faults."""

import os

import numpy as np
import pytest
import torch
from pixel_files import random_pixels
from tifffile import TiffFile, imwrite

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.encode import is_written_here
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.data.pixels.formats.tiff import opened, pages_in
from imtrans.data.pixels.formats.tiff_tags import kept_tags
from imtrans.data.pixels.rows import CannotWrite, Shape, write_rows


def parts(pixels, *heights):
    at = 0
    for height in heights:
        yield pixels[:, at : at + height]
        at += height
    yield pixels[:, at:]


def shape_of(pixels, dtype):
    return Shape(pixels.shape[1], pixels.shape[2], len(pixels), dtype)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (256, 256), (300, 513), (700, 30)])
@pytest.mark.parametrize(
    ("channels", "dtype"), [(1, "uint8"), (3, "uint16"), (4, "uint16"), (2, "float32")]
)
def test_what_is_written_is_read_back(tmp_path, packed, size, channels, dtype):
    pixels, path = random_pixels(channels, dtype, size), tmp_path / "new" / "a.tif"
    write_rows(parts(pixels, 1, 20, 0, 300), path, shape_of(pixels, dtype), packed=packed)
    assert torch.equal(decode(Picture(str(path)), PixelSpec(channels, dtype)), pixels)
    assert os.listdir(path.parent) == ["a.tif"]


GEO = [
    (33550, "d", 3, (0.25, 0.25, 0.0)),
    (33922, "d", 6, (0.0, 0.0, 0.0, 389000.0, 5820000.0, 0.0)),
    (34735, "H", 16, (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 25833)),
    (34737, "s", 0, "ETRS89 / UTM zone 33N|"),
]


def tags_of(path, channels=3, dtype="uint8"):
    with path.open("rb") as file, opened(file) as tiff:
        return kept_tags(pages_in(tiff)[0], channels, dtype)


def like(source, path, channels=3, dtype="uint8"):
    """A result of the same size, with the tags it keeps."""
    pixels = random_pixels(channels, dtype, (40, 50))
    tags = tags_of(source, channels, dtype)
    write_rows(iter([pixels]), path, shape_of(pixels, dtype), tags)
    with TiffFile(path) as tiff:
        return {tag.code: tag.value for tag in tiff.pages[0].tags}


def source(tmp_path, *tags, **options):
    path = tmp_path / "source.tif"
    extra = [(*tag, True) for tag in tags]
    imwrite(path, np.zeros((40, 50), "uint8"), metadata=None, extratags=extra, **options)
    return path


def test_a_result_is_where_its_source_is(tmp_path):
    path = source(tmp_path, *GEO, (33432, "s", 0, "(c) somebody"))
    kept = like(path, tmp_path / "a.tif")
    for code, _, _, value in GEO:
        assert kept[code] == value
    assert kept[33432] == "(c) somebody"


def test_the_resolution_and_a_fitting_colour_profile_are_kept(tmp_path):
    profile = bytes(16) + b"RGB " + bytes(200)
    path = source(tmp_path, resolution=(300, 400), resolutionunit="CENTIMETER", iccprofile=profile)
    kept = like(path, tmp_path / "a.tif")
    assert (kept[282], kept[283], kept[296], kept[34675]) == ((300, 1), (400, 1), 3, profile)
    assert 34675 not in like(path, tmp_path / "grey.tif", channels=1)


@pytest.mark.parametrize(
    ("nodata", "dtype", "kept"),
    [
        ("0", "uint8", True),
        ("-9999", "uint8", False),
        ("256", "uint8", False),
        ("256", "uint16", True),
        ("-9999", "float32", True),
        ("none", "uint8", False),
    ],
)
def test_the_value_of_nothing_is_kept_where_pixels_can_have_it(tmp_path, nodata, dtype, kept):
    path = source(tmp_path, (42113, "s", 0, nodata))
    assert (42113 in like(path, tmp_path / "a.tif", 1, dtype)) == kept


def test_descriptions_and_dates_are_not_the_results(tmp_path):
    path = source(tmp_path, description="made of bands", datetime="2020:01:01 00:00:00")
    assert not {270, 306} & set(like(path, tmp_path / "a.tif"))


def test_what_the_rows_raise_is_raised_and_leaves_nothing(tmp_path):
    def rows():
        yield torch.zeros(1, 300, 20, dtype=torch.uint8)
        raise ImtransError("source.tif: damaged image")

    with pytest.raises(ImtransError, match=r"^source.tif: damaged image$") as caught:
        write_rows(rows(), tmp_path / "a.tif", Shape(600, 20, 1, "uint8"))
    assert not isinstance(caught.value, CannotWrite)
    assert not os.listdir(tmp_path)


def test_it_says_that_imtrans_wrote_it(tmp_path):
    like(source(tmp_path, *GEO), tmp_path / "a.tif")
    assert is_written_here(tmp_path / "a.tif")
    assert not is_written_here(tmp_path / "source.tif")


def test_an_interruption_leaves_the_last_result(tmp_path):
    def rows():
        raise KeyboardInterrupt
        yield

    (tmp_path / "a.tif").write_bytes(b"before")
    with pytest.raises(KeyboardInterrupt):
        write_rows(rows(), tmp_path / "a.tif", Shape(600, 20, 1, "uint8"))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "a.tif"
    with pytest.raises(CannotWrite, match=f"{place}: cannot be written: "):
        write_rows(iter(()), place, Shape(1, 1, 1, "uint8"))


def test_of_4_gigabytes_it_is_a_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr("imtrans.data.pixels.rows.CLASSIC", 1000)
    pixels = random_pixels(1, "uint8", (40, 50))
    write_rows(iter([pixels]), tmp_path / "a.tif", shape_of(pixels, "uint8"))
    with TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
    assert torch.equal(decode(Picture(str(tmp_path / "a.tif")), PixelSpec(1)), pixels)
