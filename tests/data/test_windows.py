"""Windows of a TIFF: the pixels that decoding the whole would give, at the memory of a part."""

import zlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pixel_files import fuzz, random_pixels
from tifffile import TiffFile, imwrite

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.data.pixels.windows import windows_of

SIZE = 70, 93
WINDOWS = [(0, 0, 70, 93), (0, 0, 1, 1), (69, 92, 1, 1), (13, 31, 40, 20), (16, 0, 32, 93)]


def values(channels, dtype):
    """(H, W, C) with gradients, that compress, and noise."""
    drawn = random_pixels(channels, dtype, SIZE).permute(1, 2, 0).numpy().astype(dtype)
    drawn[:20] = drawn[:1]
    return drawn[..., 0] if channels == 1 else drawn


def check(path, expected, **whole):
    picture = Picture(str(path))
    all_of_it = decode(picture, expected)
    with windows_of(picture, expected) as windows:
        assert windows is not None
        assert windows.size == SIZE
        for top, left, height, width in WINDOWS:
            part = windows.read(top, left, height, width)
            assert part.dtype == all_of_it.dtype
            assert torch.equal(part, all_of_it[:, top : top + height, left : left + width])


LAYOUTS = {"strip": {}, "strips": {"rowsperstrip": 16}, "tiles": {"tile": (32, 16)}}
PACKED = [(None, None), ("zlib", None), ("zlib", True), ("lzma", None)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("compression", "predictor"), PACKED)
@pytest.mark.parametrize(("channels", "dtype"), [(3, "uint8"), (1, "uint16"), (5, "float32")])
def test_a_window_is_what_the_whole_has_there(
    tmp_path, layout, compression, predictor, channels, dtype
):
    path = tmp_path / "a.tif"
    imwrite(
        path,
        values(channels, dtype),
        photometric="rgb" if channels == 3 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        compression=compression,
        predictor=predictor and dtype != "float32",
        **LAYOUTS[layout],
    )
    check(path, PixelSpec(channels, dtype))


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"byteorder": ">"}, {"imagej": False}])
@pytest.mark.parametrize("planes", [False, True])
def test_byte_orders_sizes_and_planes_of_their_own(tmp_path, options, planes):
    path, pixels = tmp_path / "a.tif", values(4, "uint16")
    pixels = np.moveaxis(pixels, 2, 0) if planes else pixels
    layout = {"planarconfig": "separate" if planes else "contig", "rowsperstrip": 9}
    imwrite(path, pixels, photometric="minisblack", compression="zlib", **options, **layout)
    check(path, PixelSpec(4, "uint16"))


@pytest.mark.parametrize("kind", ["tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_what_libtiff_compresses(tmp_path, kind, mode):
    pixels = values(3, "uint8")
    smooth = Image.fromarray(pixels).resize((8, 8)).resize(SIZE[::-1]).convert(mode)
    strips = {278: 16} if kind != "jpeg" or mode == "L" else {}
    smooth.save(tmp_path / "a.tif", compression=kind, tiffinfo=strips)
    check(tmp_path / "a.tif", PixelSpec(3 if mode == "RGB" else 1))


def test_floats_whose_bytes_differ_from_the_last_ones(tmp_path):
    floats, path = values(1, "float32"), tmp_path / "a.tif"
    predicted = {317: 3, 278: 16}
    Image.fromarray(floats).save(path, compression="tiff_adobe_deflate", tiffinfo=predicted)
    with windows_of(Picture(str(path)), PixelSpec(1, "float32")) as windows:
        assert np.array_equal(windows.read(10, 20, 50, 40)[0].numpy(), floats[10:60, 20:60])


@pytest.mark.parametrize("alpha", ["white", "black", "drop", "keep"])
def test_transparency_and_colours_become_what_the_recipe_expects(tmp_path, alpha):
    clear, grey = tmp_path / "clear.tif", tmp_path / "grey.tif"
    imwrite(clear, values(4, "uint8"), photometric="rgb", extrasamples=[2], rowsperstrip=8)
    imwrite(grey, values(1, "uint8"), photometric="miniswhite", rowsperstrip=8)
    check(clear, PixelSpec(4 if alpha == "keep" else 3, "uint8", alpha))
    check(grey, PixelSpec(4 if alpha == "keep" else 3, "uint8", alpha))
    check(clear, PixelSpec(None if alpha == "keep" else 1, "uint8", alpha))


def test_pages_of_one_channel_are_channels(tmp_path):
    path = tmp_path / "pages.tif"
    imwrite(path, np.moveaxis(values(4, "uint16"), 2, 0), photometric="minisblack", rowsperstrip=8)
    check(path, PixelSpec(4, "uint16"))


def test_the_number_of_pixels_is_no_limit(tmp_path):
    path = tmp_path / "large.tif"
    imwrite(path, shape=(50_000, 40_000, 3), dtype="uint8", photometric="rgb")
    expected = PixelSpec(3, max_pixels=1000)
    with pytest.raises(ImtransError, match="too large a file for one image"):
        decode(Picture(str(path)), expected)
    with windows_of(Picture(str(path)), expected) as windows:
        assert windows.read(49_990, 39_990, 10, 10).shape == (3, 10, 10)


def none(path, expected=None):
    with windows_of(Picture(str(path)), expected or PixelSpec()) as windows:
        return windows is None


def test_what_is_no_plain_tiff_is_decoded_as_a_whole(tmp_path):
    picture = Image.fromarray(values(3, "uint8"))
    picture.save(tmp_path / "a.png")
    picture.convert("P").save(tmp_path / "palette.tif")
    picture.convert("CMYK").save(tmp_path / "cmyk.tif")
    picture.save(tmp_path / "turned.tif", tiffinfo={274: 6})
    for name in ("a.png", "palette.tif", "cmyk.tif", "turned.tif"):
        assert none(tmp_path / name), name


def read(path, *window, channels=3, dtype="uint8"):
    with windows_of(Picture(str(path)), PixelSpec(channels, dtype, fixed=True)) as windows:
        return windows.read(*window)


def refused(path, told, *window, **expected):
    with pytest.raises(ImtransError, match=told) as caught:
        read(path, *window or (0, 0, *SIZE), **expected)
    assert str(path) in str(caught.value)


def test_what_decode_refuses_is_refused_in_its_words(tmp_path):
    path = tmp_path / "a.tif"
    imwrite(path, values(3, "uint16"), photometric="rgb")
    refused(path, "16 bits per channel; only 8-bit images are read")
    refused(path, "3 channels; 1 expected", channels=1, dtype="uint16")
    imwrite(path, values(4, "uint8"), photometric="rgb", extrasamples=[2])
    refused(path, "has transparent pixels. save it without transparency")
    floats = values(1, "float32")
    floats[50, 50] = np.nan
    imwrite(path, floats, rowsperstrip=8)
    assert read(path, 0, 0, 40, 93, channels=1, dtype="float32").shape == (1, 40, 93)
    refused(path, "NaN", channels=1, dtype="float32")
    refused(tmp_path / "none.tif", "no such file")


def test_damage_in_the_middle_is_met_there_and_nowhere_else(tmp_path):
    path = tmp_path / "a.tif"
    imwrite(path, values(3, "uint8"), photometric="rgb", compression="zlib", rowsperstrip=16)
    whole = bytearray(path.read_bytes())
    with TiffFile(path) as tiff:
        start, size = tiff.pages[0].dataoffsets[2], tiff.pages[0].databytecounts[2]
    whole[start + 2 : start + size] = bytes(size - 2)
    path.write_bytes(whole)
    assert read(path, 0, 0, 32, 93).shape == (3, 32, 93)
    refused(path, "damaged image", 0, 0, 33, 93)
    assert read(path, 48, 0, 22, 93).shape == (3, 22, 93)
    imwrite(path, values(3, "uint8"), photometric="rgb", rowsperstrip=16)
    path.write_bytes(path.read_bytes()[:-500])
    refused(path, "damaged image: its file ends within it")


def test_a_strip_that_unpacks_to_gigabytes_is_refused_or_cut(tmp_path):
    path = tmp_path / "a.tif"
    bomb = zlib.compress(bytes(2**24))
    imwrite(
        path,
        iter([bomb]),
        shape=(8, 8, 3),
        dtype="uint8",
        compression="zlib",
        photometric="rgb",
        rowsperstrip=8,
    )
    assert read(path, 0, 0, 8, 8).shape == (3, 8, 8)
    imwrite(
        path,
        iter([bomb]),
        shape=(20_000, 20_000, 3),
        dtype="uint8",
        compression="zlib",
        photometric="rgb",
        rowsperstrip=20_000,
    )
    refused(path, "its strips unpack to 1,144 MB each, .* save it in tiles", 0, 0, 8, 8)


def test_tiles_that_are_left_out_are_empty(tmp_path):
    path = tmp_path / "a.tif"
    imwrite(path, np.ones((128, 128), "uint8"), tile=(64, 64), photometric="minisblack")
    with TiffFile(path, mode="r+") as tiff:
        sizes = tiff.pages[0].tags["TileByteCounts"]
        sizes.overwrite([0, *sizes.value[1:]])
    with windows_of(Picture(str(path)), PixelSpec(1)) as windows:
        part = windows.read(0, 0, 128, 128)
    assert part.sum() == 3 * 64 * 64
    assert part[0, :64, :64].sum() == 0


@fuzz
@given(st.data())
def test_a_damaged_file_gives_pixels_or_one_line(tmp_path, data):
    path = tmp_path / "a.tif"
    kind = data.draw(st.sampled_from(["zlib", None, "lzma"]))
    imwrite(path, values(3, "uint8"), photometric="rgb", compression=kind, rowsperstrip=32)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    found = pixels_or_line(path)
    assert str(path) in found if isinstance(found, str) else found is None or found.shape[0] == 3


def pixels_or_line(path):
    try:
        with windows_of(Picture(str(path)), PixelSpec(3)) as windows:
            if windows and max(windows.size) < 1000:
                return windows.read(0, 0, *windows.size)
    except ImtransError as error:
        return str(error)
