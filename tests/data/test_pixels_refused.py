"""Files that are refused: not what is wanted, too large, or damaged. The file is always named."""

import io
import struct
import tracemalloc
import zlib
from time import process_time

import numpy as np
import pytest
import tifffile
from drawn import draw_picture
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pixel_files import DTYPES, chunk, fuzz, png, random_pixels, read, refused, tiff

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.encode import KEPT, encode
from imtrans.data.pixels.formats.stored import PixelSpec

# What libraries say by themselves


@pytest.mark.parametrize(
    ("mode", "compression", "damage"),
    [
        ("RGB", "jpeg", lambda content: content.replace(b"\xff\xda", b"\xff\x95", 1)),
        ("RGB", "jpeg", lambda content: content.replace(b"\xff\xdb", b"\xff\x95")),
        ("RGB", "tiff_deflate", lambda content: content.replace(content[20:24], b"\xff" * 4, 1)),
        ("L", "tiff_lzw", lambda content: content[:16] + b"\xff" * 40 + content[56:]),
    ],
)
def test_a_damaged_tiff_is_refused_and_nothing_else_is_written(
    tmp_path, capfd, mode, compression, damage
):
    path = tmp_path / "a.tif"
    draw_picture(1, (40, 30)).convert(mode).save(path, compression=compression)
    path.write_bytes(damage(path.read_bytes()))
    refused(path, "damaged image")
    assert capfd.readouterr() == ("", "")


# What is refused


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("wanted", DTYPES)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_another_depth_is_refused_with_both_and_the_remedy(tmp_path, dtype, wanted, suffix):
    path = tmp_path / f"a{KEPT.suffix_for(suffix, 3, dtype)}"
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
        tifffile.imwrite(tmp_path / "a.tif", np.ones((4, 4), dtype))
        refused(tmp_path / "a.tif", f"'{np.dtype(dtype).name}' channels; only", 1, "uint16")


@pytest.mark.parametrize(("stored", "wanted"), [(1, 3), (3, 1), (5, 3), (5, 4)])
def test_channels_of_more_than_8_bits_must_be_those_wanted(tmp_path, stored, wanted):
    encode(random_pixels(stored, "uint16"), tmp_path / "a.tif", "uint16")
    refused(tmp_path / "a.tif", f"{stored} channels?; {wanted} expected", wanted, "uint16")


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
    taken, told = peak(tmp_path / "a.png", PixelSpec(3, dtype))
    assert "too many pixels for one image: " in told
    assert taken < 2**20


def test_more_pixels_are_read_when_the_recipe_says_so_and_nobody_warns(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    draw_picture(1, (20, 10)).save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").shape == (3, 10, 20)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
@pytest.mark.parametrize("depth", [8, 16])
def test_words_that_unpack_to_more_than_an_image_take_no_memory(tmp_path, kind, depth):
    bomb = zlib.compress(bytes(2**26), 9)
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
    (tmp_path / "a.png").write_bytes(png(4, 4, depth, 2, bytes(2**26)))
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
    lzma = pytest.importorskip("lzma")
    pack = zlib.compress if compression == 8 else lzma.compress
    data = pack(bytes(2**26))
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
    taken, told = peak(tmp_path / "a.tif", PixelSpec(1, dtype))
    assert "too many pixels" in told
    assert taken < 2**20


def test_many_channels_count_too(tmp_path):
    tags = {256: 1000, 257: 1000, 258: 16, 259: 1, 262: 1, 273: 8, 277: 60000, 278: 1000, 279: 4}
    (tmp_path / "a.tif").write_bytes(tiff(tags, b"abcd"))
    taken, told = peak(tmp_path / "a.tif", PixelSpec(None, "uint16"))
    assert "too many pixels" in told
    assert taken < 2**20


@pytest.mark.parametrize("tag", [256, 60000])
def test_a_directory_of_the_same_tag_again_and_again_takes_no_time(tmp_path, tag):
    """Many pages, each of which costs the square of its tags."""
    pages, at = b"", 8
    for number in range(200):
        tags = struct.pack("<H", 4000) + struct.pack("<HHII", tag, 4, 1, 5) * 4000
        at += len(tags) + 4
        pages += tags + struct.pack("<I", at if number < 199 else 0)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8) + pages)
    begun = process_time()
    refused(tmp_path / "a.tif", "damaged image: 4000 tags")
    assert process_time() - begun < 5  # of several minutes


@pytest.mark.soak
@pytest.mark.parametrize(
    "tag", [330, 33628, *(pytest.param(t, marks=pytest.mark.soak) for t in (34361, 34682, 50839))]
)
def test_what_microscopes_note_takes_no_memory(tmp_path, tag):
    kept = {256: 4, 257: 4, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 4, 279: 16, 33629: 8}
    entry = struct.pack("<HHII", tag, 4, 2**16, 8)
    file = tiff({**kept, tag: 0}, bytes(2**18 + 16))
    file = file.replace(struct.pack("<HHII", tag, 4, 1, 0), entry)
    (tmp_path / "a.tif").write_bytes(file)
    tracemalloc.start()
    try:
        assert read(tmp_path / "a.tif", 1).shape == (1, 4, 4)
    finally:
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert taken < 2**24


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
        wanted = PixelSpec(data.draw(st.sampled_from([None, channels])), dtype, None, 100_000)
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
