"""Pixels of any kind: read as they are, written as they are, and nothing lost without a word."""

import struct
import tarfile

import numpy as np
import pytest
import tifffile
import torch
from drawn import draw_picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from pixel_files import DTYPES, chunk, fuzz, png16, random_pixels, read, refused

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.encode import KEPT, encode
from imtrans.data.pixels.formats.stored import PixelSpec

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
    path = tmp_path / f"a{KEPT.suffix_for(suffix, channels, dtype)}"
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
    path = tmp_path / f"a{KEPT.suffix_for(suffix, channels, dtype)}"
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
    assert KEPT.suffix_for(suffix, channels, dtype) == result


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
        decode(Picture(str(tmp_path / "a.webp")), PixelSpec(max_pixels=5999))


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
    pixels = random_pixels(5, dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels.numpy().astype(dtype), photometric="minisblack")
    assert torch.equal(read(tmp_path / "a.tif", 5, dtype), pixels)
    refused(tmp_path / "a.tif", "5 channels; 1 expected", 1, dtype)


def test_previews_are_no_pages_but_other_images_are(tmp_path):
    values = random_pixels(3, "uint16", (8, 8)).permute(1, 2, 0).numpy().astype("uint16")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(values, photometric="rgb")
        file.write(values[::2, ::2], photometric="rgb", subfiletype=1)
    assert read(tmp_path / "a.tif", 3, "uint16").shape == (3, 8, 8)
    tifffile.imwrite(tmp_path / "b.tif", np.stack([values, values]), photometric="rgb")
    refused(tmp_path / "b.tif", "2 pages of one size; one image per file", 3, "uint16")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_tiff_that_grows_from_white_to_black_is_turned(tmp_path, dtype):
    pixels = random_pixels(1, dtype)
    top = 255 if dtype == "uint8" else 65535
    values = (top - pixels[0]).numpy().astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    assert torch.equal(read(tmp_path / "a.tif", 1, dtype), pixels)


def test_a_fourth_channel_that_is_no_transparency_is_a_channel(tmp_path):
    pixels = random_pixels(4, "uint8")
    values = pixels.permute(1, 2, 0).numpy()
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unspecified"])
    assert torch.equal(read(tmp_path / "a.tif", 4), pixels)
    refused(tmp_path / "a.tif", "4 channels; 3 expected", 3)


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
    path = tmp_path / f"a{KEPT.suffix_for('.png', 3, dtype)}"
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
    path = tmp_path / f"a{KEPT.suffix_for(suffix, 3, dtype)}"
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
    values = transparent("uint16", 4).permute(1, 2, 0).numpy().astype("uint16")
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["assocalpha"])
    refused(tmp_path / "a.tif", "multiplied by its transparency", 3, "uint16", "white")
