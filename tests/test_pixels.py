"""Pixels of any kind: read as they are, written as they are, and nothing lost without a word."""

import io
import struct
import sys
import tarfile
import tracemalloc
import zlib

import numpy as np
import pytest
import torch
from drawn import draw_picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from imtrans.data.decode import decode
from imtrans.data.encode import encode, result_suffix
from imtrans.data.formats.stored import Wanted
from imtrans.errors import ImtransError
from imtrans.pictures import Picture

DTYPES = {"uint8": torch.uint8, "uint16": torch.int32, "float32": torch.float32}
fuzz = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read(path, channels=None, dtype="uint8", alpha=None, **picture):
    return decode(Picture(str(path), **picture), Wanted(channels, dtype, alpha))


def random_pixels(channels, dtype, size=(6, 9), seed=0):
    draw = torch.Generator().manual_seed(seed)
    if dtype == "float32":
        return torch.randn(channels, *size, generator=draw) * 1000
    top = 256 if dtype == "uint8" else 65536
    return torch.randint(0, top, (channels, *size), generator=draw).to(DTYPES[dtype])


def refused(path, told, *arguments, **options):
    with pytest.raises(ImtransError, match=told) as caught:
        read(path, *arguments, **options)
    assert str(path) in str(caught.value)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width, height, depth, colour, rows=b"", extra=b""):
    """A PNG of a kind that Pillow may not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def png16(values, colour, extra=b""):
    """A 16-bit PNG of an array (H, W, C)."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png(values.shape[1], values.shape[0], 16, colour, rows, extra)


def tiff(tags, data=b""):
    """A little-endian TIFF of one page: its tags as numbers, then its data, which begin at 8."""
    entries = b"".join(
        struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items())
    )
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory


# Nothing is lost


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_every_value_of_16_bit_grey_survives(tmp_path, suffix):
    every = np.arange(65536).reshape(256, 256, 1)
    (tmp_path / "a.png").write_bytes(png16(every, 0))
    pixels = read(tmp_path / "a.png", 1, "uint16")
    assert pixels.dtype == torch.int32
    assert pixels.flatten().tolist() == list(range(65536))
    encode(pixels, tmp_path / f"b{suffix}", "uint16")
    assert torch.equal(read(tmp_path / f"b{suffix}", 1, "uint16"), pixels)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".TIFF", ".npy", ".jpg"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 32])
@pytest.mark.parametrize("size", [(6, 9), (1, 1), (40, 35)])
def test_what_is_written_and_read_again_is_equal(tmp_path, suffix, dtype, channels, size):
    pixels = random_pixels(channels, dtype, size)
    path = tmp_path / f"a{result_suffix(suffix, channels, dtype)}"
    encode(pixels, path, dtype)
    again = read(path, channels, dtype, "keep")
    assert again.dtype == DTYPES[dtype]
    assert again.is_contiguous()
    assert torch.equal(again, pixels)
    assert torch.equal(read(path, None, dtype, "keep"), pixels)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@fuzz
@given(data=st.data(), dtype=st.sampled_from(list(DTYPES)), channels=st.integers(1, 6))
def test_pixels_of_any_size_survive(tmp_path, data, dtype, channels):
    size = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    suffix = data.draw(st.sampled_from([".png", ".bmp", ".tif", ".npy"]))
    pixels = random_pixels(channels, dtype, size, data.draw(st.integers(0, 1000)))
    path = tmp_path / f"a{result_suffix(suffix, channels, dtype)}"
    encode(pixels, path, dtype)
    assert torch.equal(read(path, channels, dtype, "keep"), pixels)


@pytest.mark.parametrize(
    ("suffix", "channels", "dtype", "result"),
    [
        (".png", 3, "uint8", ".png"),
        (".PNG", 1, "uint16", ".PNG"),
        (".jpg", 3, "uint8", ".png"),
        (".bmp", 4, "uint8", ".png"),
        (".bmp", 3, "uint16", ".png"),
        (".png", 5, "uint16", ".tif"),
        (".webp", 1, "float32", ".tif"),
        (".tiff", 7, "float32", ".tiff"),
        (".npy", 7, "float32", ".npy"),
        (".npy", 33, "uint8", ".tif"),
    ],
)
def test_a_result_keeps_its_suffix_if_that_can_hold_it(suffix, channels, dtype, result):
    assert result_suffix(suffix, channels, dtype) == result


def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    (tmp_path / "a").write_text("a file, no folder")
    for dtype, suffix in [("uint8", "png"), ("uint16", "png"), ("float32", "tif")]:
        with pytest.raises(ImtransError, match=rf"a.b\.{suffix}: cannot be written: "):
            encode(random_pixels(3, dtype), tmp_path / "a" / f"b.{suffix}", dtype)
    (tmp_path / "c.png").mkdir()
    with pytest.raises(ImtransError, match=r"c.png: cannot be written: "):
        encode(random_pixels(3, "uint16"), tmp_path / "c.png", "uint16")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "c.png"]


def test_pixels_are_never_wrapped_around(tmp_path):
    with pytest.raises(ValueError, match="outside 0"):
        encode(torch.full((1, 2, 2), 65536), tmp_path / "a.png", "uint16")
    with pytest.raises(ValueError, match="are not uint8"):
        encode(torch.full((1, 2, 2), 256), tmp_path / "a.png", "uint8")
    with pytest.raises(ValueError, match="cannot hold 5 channels"):
        encode(torch.zeros(5, 2, 2, dtype=torch.uint8), tmp_path / "a.png", "uint8")


# Files of others


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_every_listed_format_can_be_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    picture = draw_picture(1, (20, 10))
    picture.save(path, **({"lossless": True} if suffix == ".webp" else {}))
    assert read(path).shape == (3, 10, 20)
    if suffix != ".jpg":
        assert read(path)[:, 5, 7].tolist() == list(picture.getpixel((7, 5)))
    path.rename(tmp_path / "b.png")  # its first bytes say what it is, not its name
    assert read(tmp_path / "b.png").shape == (3, 10, 20)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_the_size_of_a_webp_is_read_from_its_header(tmp_path, lossless, mode):
    Image.new(mode, (300, 20)).save(tmp_path / "a.webp", lossless=lossless)
    with pytest.raises(ImtransError, match="too many pixels for one image: 300 x 20"):
        decode(Picture(str(tmp_path / "a.webp")), Wanted(max_pixels=5999))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3, None])
def test_any_8_bit_mode_becomes_the_channels_asked_for(tmp_path, mode, channels):
    suffix = "tif" if mode == "CMYK" else "png"
    image = draw_picture(1, (8, 6)).convert("L" if mode == "LA" else "RGB").convert(mode)
    image.save(tmp_path / f"a.{suffix}")
    pixels = read(tmp_path / f"a.{suffix}", channels)
    natural = 1 if mode in ("1", "L", "LA") else 3
    assert pixels.shape == (channels or natural, 6, 8)
    expected = np.asarray(image.convert("L" if len(pixels) == 1 else "RGB"))
    assert np.array_equal(pixels.permute(1, 2, 0).squeeze().numpy(), expected)


def test_one_bit_is_black_and_white(tmp_path):
    Image.new("1", (2, 2), 1).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.ones((2, 2), bool))
    for name in ("a.png", "a.npy"):
        assert read(tmp_path / name, 1).unique().tolist() == [255]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"byteorder": ">", "bigtiff": True},
        {"compression": "zlib", "predictor": True},
        {"compression": "lzma"},
        {"tile": (16, 16)},
        {"rowsperstrip": 2},
        {"planarconfig": "separate"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_any_layout_of_a_tiff_can_be_read(tmp_path, options, dtype, channels):
    tifffile = pytest.importorskip("tifffile")
    pixels = random_pixels(channels, dtype, (20, 33))
    values = pixels.numpy().astype(dtype)
    contiguous = options.get("planarconfig") != "separate"
    if channels == 1 or contiguous:
        values = values.transpose(1, 2, 0) if channels > 1 else values[0]
    options = {"planarconfig": "contig", **options} if channels > 1 else {**options}
    if channels == 1:
        options.pop("planarconfig", None)
    if dtype == "float32":
        options.pop("predictor", None)  # needs a package more
    options["photometric"] = "rgb" if channels == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    if options.get("compression") == "lzma" and dtype == "uint8" and channels in (1, 3):
        pytest.skip("a question of how Pillow was built")
    assert torch.equal(read(tmp_path / "a.tif", channels, dtype), pixels)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pages_of_one_size_are_channels(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    pixels = random_pixels(5, dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels.numpy().astype(dtype), photometric="minisblack")
    assert torch.equal(read(tmp_path / "a.tif", 5, dtype), pixels)
    refused(tmp_path / "a.tif", "5 channels; 1 wanted", 1, dtype)


def test_previews_are_no_pages_but_other_images_are(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    values = random_pixels(3, "uint16", (8, 8)).permute(1, 2, 0).numpy().astype("uint16")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(values, photometric="rgb")
        file.write(values[::2, ::2], photometric="rgb", subfiletype=1)
    assert read(tmp_path / "a.tif", 3, "uint16").shape == (3, 8, 8)
    tifffile.imwrite(tmp_path / "b.tif", np.stack([values, values]), photometric="rgb")
    refused(tmp_path / "b.tif", "2 pages of one size; one image per file", 3, "uint16")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_tiff_that_grows_from_white_to_black_is_turned(tmp_path, dtype):
    tifffile = pytest.importorskip("tifffile")
    pixels = random_pixels(1, dtype)
    top = 255 if dtype == "uint8" else 65535
    values = (top - pixels[0]).numpy().astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    assert torch.equal(read(tmp_path / "a.tif", 1, dtype), pixels)


def test_a_fourth_channel_that_is_no_transparency_is_a_channel(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    pixels = random_pixels(4, "uint8")
    values = pixels.permute(1, 2, 0).numpy()
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unspecified"])
    assert torch.equal(read(tmp_path / "a.tif", 4), pixels)
    refused(tmp_path / "a.tif", "4 channels; 3 wanted", 3)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "<f4", ">f4"])
def test_the_last_axis_of_an_array_is_its_channels(tmp_path, order, dtype):
    name = {"1": "uint8", "2": "uint16", "4": "float32"}[dtype[-1]]
    for shape, expected in [
        ((6, 40), (1, 6, 40)),
        ((6, 40, 5), (5, 6, 40)),
        ((5, 6, 40), (5, 6, 40)),
        ((3, 40, 8), (8, 3, 40)),  # so is it here: 8 is at most 32
    ]:
        values = np.asarray(np.arange(np.prod(shape)).reshape(shape) % 251, dtype, order=order)
        np.save(tmp_path / "a.npy", values)
        pixels = read(tmp_path / "a.npy", None, name)
        assert pixels.shape == expected
        first = values if len(shape) == 2 else values[0] if shape[2] > 32 else values[:, :, 0]
        assert np.array_equal(pixels[0].numpy(), first.astype(name))


# Upright, halves, members


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_rotated_photograph_is_read_upright(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    draw_picture(1, (20, 10)).save(tmp_path / f"a{suffix}", exif=exif)
    with Image.open(tmp_path / f"a{suffix}") as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    pixels = read(tmp_path / f"a{suffix}")
    assert pixels.shape[1:] == ((20, 10) if orientation > 4 else (10, 20))
    assert np.array_equal(pixels.permute(1, 2, 0).numpy(), upright)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_so_is_one_of_16_bits(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = random_pixels(3, "uint16", (4, 7))
    path = tmp_path / f"a{suffix}"
    values = pixels.permute(1, 2, 0).numpy()
    if suffix == ".png":
        path.write_bytes(png16(values, 2, chunk(b"eXIf", exif.tobytes()[6:])))
    else:
        tifffile = pytest.importorskip("tifffile")
        tags = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, values.astype("uint16"), photometric="rgb", extratags=tags)
    low = Image.fromarray((values & 255).astype("uint8"))
    low.save(tmp_path / "low.png", exif=exif)
    high = Image.fromarray((values >> 8).astype("uint8"))
    high.save(tmp_path / "high.png", exif=exif)
    expected = read(tmp_path / "low.png").int() + (read(tmp_path / "high.png").int() << 8)
    assert torch.equal(read(path, 3, "uint16"), expected)


@pytest.mark.parametrize("width", [2, 8, 9])
@pytest.mark.parametrize("dtype", DTYPES)
def test_halves_are_of_one_width_and_the_middle_belongs_to_neither(tmp_path, width, dtype):
    pixels = random_pixels(3, dtype, (4, width))
    path = tmp_path / f"a{result_suffix('.png', 3, dtype)}"
    encode(pixels, path, dtype)
    left, right = (read(path, 3, dtype, half=half) for half in ("left", "right"))
    assert torch.equal(left, pixels[:, :, : width // 2])
    assert torch.equal(right, pixels[:, :, -(width // 2) :])
    assert left.is_contiguous()
    assert right.is_contiguous()


def test_one_column_has_no_halves(tmp_path):
    Image.new("L", (1, 5)).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "1 px wide; it has no halves", half="left")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_members_of_a_tar_file_and_images_in_memory_are_read_in_place(tmp_path, dtype, suffix):
    pixels = random_pixels(3, dtype)
    path = tmp_path / f"a{result_suffix(suffix, 3, dtype)}"
    encode(pixels, path, dtype)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(__file__, "first.txt")
        tar.add(path, f"deep/{path.name}")
    with tarfile.open(tmp_path / "a.tar") as tar:
        entry = tar.getmembers()[1]
    place = {"member": entry.name, "offset": entry.offset_data, "size": entry.size}
    assert torch.equal(read(tmp_path / "a.tar", 3, dtype, **place), pixels)
    assert torch.equal(read("it", 3, dtype, content=path.read_bytes()), pixels)

    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[: entry.offset_data + 60])
    with pytest.raises(ImtransError, match=f"a.tar/deep/{path.name}: damaged image"):
        read(tmp_path / "a.tar", 3, dtype, **place)


# Transparency


def transparent(dtype, channels):
    pixels = random_pixels(channels, dtype, (5, 7))
    top = 255 if dtype == "uint8" else 65535
    pixels[-1, 0] = torch.tensor([0, 1, top // 3, top // 2, top - 1, top, top])
    return pixels


KINDS = [(d, c, s) for d in ("uint8", "uint16") for c in (2, 4) for s in (".png", ".tif")]


@pytest.mark.parametrize(("dtype", "channels", "suffix"), KINDS)
def test_transparency_is_what_the_recipe_says(tmp_path, dtype, channels, suffix):
    pixels, path = transparent(dtype, channels), tmp_path / f"a{suffix}"
    values = pixels.permute(1, 2, 0).numpy().astype(dtype)
    if suffix == ".tif":
        tifffile = pytest.importorskip("tifffile")
        kind = "rgb" if channels == 4 else "minisblack"
        tifffile.imwrite(
            path, values, photometric=kind, planarconfig="contig", extrasamples=["unassalpha"]
        )
    elif dtype == "uint16":
        path.write_bytes(png16(values, 4 if channels == 2 else 6))
    else:
        Image.fromarray(values).save(path)
    top = 255 if dtype == "uint8" else 65535
    colours, alpha = pixels[:-1].double(), pixels[-1:].double() / top
    refused(path, '"white", "black", "drop" or "keep"', channels - 1, dtype)
    assert torch.equal(read(path, channels, dtype, "keep"), pixels)
    assert torch.equal(read(path, channels - 1, dtype, "drop"), pixels[:-1])
    for ground, value in (("white", top), ("black", 0)):
        laid = (colours * alpha + value * (1 - alpha)).round().to(pixels.dtype)
        assert (read(path, channels - 1, dtype, ground) - laid).abs().max() == 0


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_opaque_transparency_is_none(tmp_path, dtype):
    pixels = random_pixels(4, dtype)
    pixels[-1] = 255 if dtype == "uint8" else 65535
    encode(pixels, tmp_path / "a.png", dtype)
    assert torch.equal(read(tmp_path / "a.png", 3, dtype), pixels[:3])
    assert read(tmp_path / "a.png", None, dtype).is_contiguous()


def test_8_bit_images_without_transparency_can_be_kept_with_it(tmp_path):
    draw_picture(1, (8, 6)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png", 4, alpha="keep")[3].unique().tolist() == [255]
    assert read(tmp_path / "a.png", 2, alpha="keep").shape == (2, 6, 8)
    assert read(tmp_path / "a.png", None, alpha="keep").shape == (3, 6, 8)


def test_one_colour_of_a_palette_or_of_16_bits_can_be_transparent(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "a.png", transparency=0)
    refused(tmp_path / "a.png", "has transparent pixels", 3)
    assert read(tmp_path / "a.png", 3, alpha="black").flatten(1).T.tolist() == [
        [0, 0, 0],
        [0, 255, 0],
    ]
    assert read(tmp_path / "a.png", 1, alpha="white")[0, 0, 0] == 255

    values = np.array([[[1], [500]]])
    (tmp_path / "b.png").write_bytes(png16(values, 0, chunk(b"tRNS", struct.pack(">H", 500))))
    refused(tmp_path / "b.png", "has transparent pixels", 1, "uint16")
    assert read(tmp_path / "b.png", 1, "uint16", "white").flatten().tolist() == [1, 65535]
    assert read(tmp_path / "b.png", 2, "uint16", "keep")[1].flatten().tolist() == [65535, 0]


def test_premultiplied_colours_are_refused_where_they_would_lose_something(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    values = transparent("uint16", 4).permute(1, 2, 0).numpy().astype("uint16")
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["assocalpha"])
    refused(tmp_path / "a.tif", "multiplied by its transparency", 3, "uint16", "white")


# What is refused


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wanted", DTYPES)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_another_depth_is_refused_with_both_and_the_remedy(tmp_path, dtype, wanted, suffix):
    path = tmp_path / f"a{result_suffix(suffix, 3, dtype)}"
    encode(random_pixels(3, dtype), path, dtype)
    if dtype == wanted:
        return
    bits = {"uint8": "8 bits", "uint16": "16 bits", "float32": "32-bit float"}[dtype]
    only = {"uint8": "8-bit", "uint16": "16-bit", "float32": "32-bit float"}[wanted]
    refused(path, f'{bits}.* only {only} images .* data.source.dtype = "{dtype}"', 3, wanted)


@pytest.mark.parametrize("dtype", ["i1", "i2", "u4", "f8", "f2", "c8"])
def test_other_numbers_are_refused(tmp_path, dtype):
    np.save(tmp_path / "a.npy", np.ones((4, 4), dtype))
    refused(tmp_path / "a.npy", f"'{np.dtype(dtype).name}' channels; only uint8, uint16, float32")
    if dtype != "c8":
        tifffile = pytest.importorskip("tifffile")
        tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4), dtype))
        refused(tmp_path / "a.tif", f"'{np.dtype(dtype).name}' channels; only", 1, "uint16")


@pytest.mark.parametrize(("stored", "wanted"), [(1, 3), (3, 1), (5, 3), (5, 4)])
def test_channels_of_more_than_8_bits_must_be_those_wanted(tmp_path, stored, wanted):
    encode(random_pixels(stored, "uint16"), tmp_path / "a.tif", "uint16")
    refused(tmp_path / "a.tif", f"{stored} channels?; {wanted} wanted", wanted, "uint16")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("suffix", [".tif", ".npy"])
def test_what_is_no_number_is_refused(tmp_path, value, suffix):
    pixels = random_pixels(3, "float32")
    pixels[1, 2, 3] = value
    encode(pixels, tmp_path / f"a{suffix}", "float32")
    refused(tmp_path / f"a{suffix}", "finite numbers", 3, "float32")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not an image"),
        (b"hello", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "damaged image"),
        (b"II*\0", "damaged image"),
        (b"\x93NUMPY\x01\0", "damaged image"),
        (b"RIFF\0\0\0\0WEBP", "damaged image"),
        (b"BM", "damaged image"),
        (b"\xff\xd8\xff", "damaged image"),
        (None, "no such file"),
    ],
    ids=str,
)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_what_is_no_image_is_named(tmp_path, content, told, suffix):
    path = tmp_path / f"a{suffix}"
    if content is not None:
        path.write_bytes(content)
    refused(path, told)


def test_a_folder_with_an_images_name_is_refused(tmp_path):
    (tmp_path / "a.png").mkdir()
    refused(tmp_path / "a.png", "a folder, not an image")


def test_no_array_may_hold_objects(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    refused(tmp_path / "a.npy", "'object' channels; only")


def test_without_tifffile_the_extra_is_named(tmp_path, monkeypatch):
    for name, channels, dtype in [("a", 5, "uint16"), ("b", 3, "float32"), ("c", 3, "uint16")]:
        encode(random_pixels(channels, dtype), tmp_path / f"{name}.tif", dtype)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    extra = r'pip install "imtrans\[tiff\]"'
    refused(tmp_path / "a.tif", extra, 5, "uint16")
    refused(tmp_path / "b.tif", extra, 3, "float32")
    assert read(tmp_path / "c.tif", 3, "uint16").shape == (3, 6, 9)
    with pytest.raises(ImtransError, match=f"d.tif: .*{extra}"):
        encode(random_pixels(5, "uint16"), tmp_path / "d.tif", "uint16")
    assert not list(tmp_path.glob("*d.tif*"))
    (tmp_path / "c.tif").write_bytes((tmp_path / "c.tif").read_bytes()[:-40])
    refused(tmp_path / "c.tif", "damaged image", 3, "uint16")


# What would take too much


def huge(kind, width=60_000, height=60_000):
    """The header of an image that is too large, and little more."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 4}
    if kind in ("png8", "png16"):
        return png(width, height, int(kind[3:]), 2)
    if kind == "bmp":
        header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header
    if kind.startswith("tiff"):
        return tiff({**tags, 258: int(kind[4:]), 339: 3 if kind == "tiff32" else 1}, b"abcd")
    if kind == "webp":
        canvas = (16382).to_bytes(3, "little") * 2
        return b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + canvas
    if kind == "jpeg":
        size = struct.pack(">HHHB", 11, 8, height, width) if height < 256 else b""
        frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\0"
        return b"\xff\xd8" + frame + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\xff\xd9" + size
    file = io.BytesIO()
    descr = {"descr": "|u1", "fortran_order": False, "shape": (height, width)}
    np.lib.format.write_array_header_1_0(file, descr)
    return file.getvalue()


def peak(path, wanted):
    """What Python's allocator took to refuse a file, in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(ImtransError) as caught:
            decode(Picture(str(path)), wanted)
        assert str(path) in str(caught.value)
        return tracemalloc.get_traced_memory()[1], str(caught.value)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "kind", ["png8", "png16", "bmp", "tiff8", "tiff16", "tiff32", "webp", "jpeg", "npy"]
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken(tmp_path, kind, dtype):
    (tmp_path / "a.png").write_bytes(huge(kind))
    taken, told = peak(tmp_path / "a.png", Wanted(3, dtype))
    assert "too many pixels for one image: " in told
    assert taken < 2**20


def test_more_pixels_are_read_when_the_recipe_says_so_and_nobody_warns(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    draw_picture(1, (20, 10)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").shape == (3, 10, 20)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
@pytest.mark.parametrize("depth", [8, 16])
def test_words_that_unpack_to_more_than_an_image_take_no_memory(tmp_path, kind, depth):
    bomb = zlib.compress(bytes(2**28), 9)
    before = b"a\0\1\0\0\0" if kind == b"iTXt" else b"a\0\0"
    rows = b"".join(b"\0" + bytes(4 * 3 * depth // 8) for _ in range(4))
    (tmp_path / "a.png").write_bytes(png(4, 4, depth, 2, rows, chunk(kind, before + bomb)))
    tracemalloc.start()
    try:
        assert read(tmp_path / "a.png", 3, f"uint{depth}").shape == (3, 4, 4)
    except ImtransError as error:
        assert str(tmp_path / "a.png") in str(error)  # noqa: PT017
    finally:
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert taken < 2**24


@pytest.mark.parametrize("depth", [8, 16])
def test_pixels_that_unpack_to_more_than_an_image_take_no_memory(tmp_path, depth):
    (tmp_path / "a.png").write_bytes(png(4, 4, depth, 2, bytes(2**28)))
    tracemalloc.start()
    try:
        assert read(tmp_path / "a.png", 3, f"uint{depth}").shape == (3, 4, 4)
    except ImtransError as error:
        assert str(tmp_path / "a.png") in str(error)  # noqa: PT017
    finally:
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert taken < 2**24


@pytest.mark.parametrize(("compression", "depth"), [(8, 32), (34925, 32), (8, 16), (8, 8)])
def test_a_strip_that_unpacks_to_more_than_an_image_takes_no_memory(tmp_path, compression, depth):
    pytest.importorskip("tifffile")
    lzma = pytest.importorskip("lzma")
    pack = zlib.compress if compression == 8 else lzma.compress
    data = pack(bytes(2**28))
    kind = 3 if depth == 32 else 1
    tags = {256: 4, 257: 4, 258: depth, 259: compression, 262: 1, 273: 8, 277: 1, 278: 4}
    path = tmp_path / "a.tif"
    path.write_bytes(tiff({**tags, 279: len(data), 339: kind}, data))
    tracemalloc.start()
    try:
        read(path, 1, {8: "uint8", 16: "uint16", 32: "float32"}[depth])
    except ImtransError as error:
        assert str(path) in str(error)  # noqa: PT017
    finally:
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert taken < 2**24


@pytest.mark.parametrize("depth", [8, 16, 32])
def test_tiles_larger_than_any_image_are_refused(tmp_path, depth):
    tags = {256: 4, 257: 4, 258: depth, 259: 8, 262: 1, 277: 1, 322: 60000, 323: 60000}
    tags.update({324: 8, 325: 20, 339: 3 if depth == 32 else 1})
    (tmp_path / "a.tif").write_bytes(tiff(tags, zlib.compress(bytes(100)).ljust(20)))
    dtype = {8: "uint8", 16: "uint16", 32: "float32"}[depth]
    taken, told = peak(tmp_path / "a.tif", Wanted(1, dtype))
    assert "too many pixels" in told
    assert taken < 2**20


def test_many_channels_count_too(tmp_path):
    tags = {256: 1000, 257: 1000, 258: 16, 259: 1, 262: 1, 273: 8, 277: 60000, 278: 1000, 279: 4}
    (tmp_path / "a.tif").write_bytes(tiff(tags, b"abcd"))
    taken, told = peak(tmp_path / "a.tif", Wanted(None, "uint16"))
    assert "too many pixels" in told
    assert taken < 2**20


# Damage

SAMPLES = [
    (".png", 3, "uint8"),
    (".bmp", 3, "uint8"),
    (".tif", 3, "uint8"),
    (".jpg", 3, "uint8"),
    (".webp", 3, "uint8"),
    (".png", 3, "uint16"),
    (".png", 1, "uint16"),
    (".tif", 3, "uint16"),
    (".tif", 5, "uint16"),
    (".tif", 3, "float32"),
    (".npy", 3, "float32"),
]


@pytest.mark.parametrize(("suffix", "channels", "dtype"), SAMPLES)
@fuzz
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_but_nothing_else_comes_out(
    tmp_path, suffix, channels, dtype, data
):
    path = tmp_path / f"a{suffix}"
    if suffix in (".jpg", ".webp"):
        draw_picture(1, (24, 16)).save(path)
    else:
        encode(random_pixels(channels, dtype, (16, 24)), path, dtype)
    content = bytearray(path.read_bytes())
    # Most of a file are pixels; what can go wrong is at its ends.
    ends = st.one_of(
        st.integers(0, min(200, len(content) - 1)),
        st.integers(max(0, len(content) - 200), len(content) - 1),
        st.integers(0, len(content) - 1),
    )
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(ends)] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.one_of(st.just(len(content)), ends))])
    tracemalloc.start()
    try:
        wanted = Wanted(data.draw(st.sampled_from([None, channels])), dtype, None, 100_000)
        pixels = decode(Picture(str(path)), wanted)
        assert pixels.dtype == DTYPES[dtype]
        assert pixels[0].numel() <= 100_000
    except ImtransError as error:
        assert str(path) in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    finally:
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert taken < 16 * 4 * 100_000


@fuzz
@given(
    start=st.sampled_from(
        [
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
            b"II*\0\x08\0\0\0",
            b"MM\0+\0\x08\0\0",
            b"\x93NUMPY\x01\0",
        ]
        + [b"RIFF\0\0\0\0WEBPVP8X", b"BM", b"\xff\xd8\xff\xe1", b""]
    ),
    rest=st.binary(max_size=400),
    dtype=st.sampled_from(list(DTYPES)),
)
def test_anything_after_an_images_first_bytes_is_refused(tmp_path, start, rest, dtype):
    (tmp_path / "a.tif").write_bytes(start + rest)
    try:
        read(tmp_path / "a.tif", 3, dtype)
    except ImtransError as error:
        assert str(tmp_path / "a.tif") in str(error)  # noqa: PT017
