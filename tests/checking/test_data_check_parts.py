"""The parts of the data check: headers, near copies among very many pairs, palettes."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from pixel_files import png16, random_pixels, tiff
from planted_pairs import labels, texture

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.checking.data import near_duplicates as nearness
from imtrans.checking.data.inspected_pair import InspectedPair, InspectedSide
from imtrans.checking.data.palette import strays
from imtrans.checking.data.pixel_summary import summarise, viewable
from imtrans.data.encoding import Side
from imtrans.data.pairs import spread
from imtrans.data.palette import dominant_colours
from imtrans.data.pixels.decode import decode
from imtrans.data.pixels.encode import encode
from imtrans.data.pixels.formats.header import header
from imtrans.data.pixels.formats.stored import PixelSpec
from imtrans.data.pixels.images import to_tensor
from imtrans.recipe.side_table import SideTable

# Headers


KINDS = {
    "grey.png": ("L", "8-bit grey"),
    "bits.png": ("1", "8-bit grey"),
    "palette.png": ("P", "8-bit RGB"),
    "clear.png": ("RGBA", "8-bit RGB with transparency"),
    "grey_clear.png": ("LA", "8-bit grey with transparency"),
    "photo.jpg": ("RGB", "8-bit RGB"),
    "print.jpg": ("CMYK", "8-bit CMYK"),
    "photo.webp": ("RGB", "8-bit RGB"),
    "clear.webp": ("RGBA", "8-bit RGB with transparency"),
    "photo.bmp": ("RGB", "8-bit RGB"),
    "photo.tif": ("RGB", "8-bit RGB"),
    "palette.tif": ("P", "8-bit RGB"),
    "deep.tif": ("I;16", "16-bit grey"),
    "deep.png": ("I;16", "16-bit grey"),
    "float.tif": ("F", "32-bit float grey"),
}


def image(mode):
    photo = texture(1).resize((30, 20))
    if mode == "I;16":
        return Image.fromarray(np.asarray(photo.convert("L"), dtype=np.uint16) * 257)
    changed = photo.convert("L").convert(mode) if mode in ("1", "LA", "F") else photo.convert(mode)
    if mode in ("RGBA", "LA"):
        changed.putalpha(photo.convert("L"))
    return changed


@pytest.mark.parametrize("name", KINDS)
def test_a_header_says_what_its_file_is(tmp_path, name):
    mode, kind = KINDS[name]
    path = tmp_path / name
    image(mode).save(path)
    found = header(Picture(str(path)))
    assert (found.size, found.kind, found.orientation) == ((30, 20), kind, 1)
    inside = header(Picture("in memory", content=path.read_bytes()))
    assert inside == found


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize(("channels", "dtype"), [(1, "uint16"), (3, "uint16"), (4, "uint16")])
def test_a_header_says_what_decoding_gives(tmp_path, suffix, channels, dtype):
    path = tmp_path / f"picture{suffix}"
    encode(random_pixels(channels, dtype), path, dtype)
    found = header(Picture(str(path)))
    pixels = decode(Picture(str(path)), PixelSpec(None, dtype, "keep"))
    assert found.size == (pixels.shape[2], pixels.shape[1])
    assert (found.channels + found.alpha, found.dtype) == (len(pixels), dtype)


def test_a_header_of_many_bands_and_of_floats(tmp_path):
    for channels, dtype in ((5, "uint8"), (5, "uint16"), (2, "float32")):
        for suffix in (".tif", ".npy"):
            path = tmp_path / f"picture{suffix}"
            encode(random_pixels(channels, dtype), path, dtype)
            found = header(Picture(str(path)))
            assert (found.size, found.channels, found.dtype) == ((9, 6), channels, dtype)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_sizes_are_upright(tmp_path, suffix, orientation):
    path = tmp_path / f"photo.{suffix}"
    exif = Image.Exif()
    exif[274] = orientation
    texture(1).resize((30, 20)).save(path, exif=exif)
    found = header(Picture(str(path)))
    pixels = decode(Picture(str(path)), PixelSpec(3))
    assert found.size == (pixels.shape[2], pixels.shape[1])
    assert found.orientation == orientation


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an image"),
        (b"text", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "damaged image"),
        (b"\xff\xd8\xff", "damaged image"),
        (b"\x93NUMPY", "damaged image"),
        (b"II*\0\xff\xff\xff\xff", "damaged image"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "damaged image"),
        (tiff({256: 5, 257: 5, 258: 8, 339: 9}), None),
    ],
)
def test_what_is_no_header_is_told(tmp_path, content, reason):
    path = tmp_path / "picture"
    path.write_bytes(content)
    if reason is None:
        assert header(Picture(str(path))).dtype == "unknown8"
        return
    with pytest.raises(ImtransError, match=reason):
        header(Picture(str(path)))


def test_no_file_and_a_folder_have_no_header(tmp_path):
    with pytest.raises(ImtransError, match="no such file"):
        header(Picture(str(tmp_path / "absent.png")))
    with pytest.raises(ImtransError, match="not a file"):
        header(Picture(str(tmp_path)))


def test_a_header_within_a_larger_file_is_found_by_its_place(tmp_path):
    path = tmp_path / "some.tar"
    for content in (png16(np.zeros((4, 7, 3), int), 2), _bytes("TIFF"), _bytes("JPEG")):
        path.write_bytes(b"x" * 700 + content + b"y" * 50)
        found = header(Picture(str(path), member="m", offset=700, size=len(content)))
        assert found.size == (7, 4)


def _bytes(format):
    file = io.BytesIO()
    texture(1).resize((7, 4)).save(file, format)
    return file.getvalue()


# Near copies


def inspected(*images):
    side = Side(SideTable())
    pairs = []
    for picture in images:
        pixels = to_tensor(picture)
        pairs.append(InspectedSide((), summarise(pixels, side, viewable(pixels))))
    return InspectedPair(*pairs)


def noisy(picture, seed):
    draw = np.random.default_rng(seed)
    values = np.asarray(picture) + draw.normal(0, 3, np.asarray(picture).shape)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def many():
    """Three hundred pairs, and noisy copies of the first twenty."""
    small = [texture(number, 32) for number in range(300)]
    pairs = [inspected(picture, labels(picture)) for picture in small]
    for picture in small[:20]:
        pairs.append(inspected(noisy(picture, 1), noisy(labels(picture), 2)))
    return pairs


EXPECTED = {(number, 300 + number) for number in range(20)}


def test_near_copies_are_found_and_no_others(many):
    assert {(one, other) for one, other, _ in nearness.near_duplicates(many)} == EXPECTED


def test_near_on_one_side_is_not_near():
    drawing = texture(700, 32)
    pairs = [inspected(texture(number, 32), drawing) for number in (1, 1, 2)]
    thumbs = np.stack([nearness._thumbs(pair) for pair in pairs])
    first, others = np.array([0, 0]), np.array([1, 2])
    assert list(np.isfinite(nearness._differences(thumbs, first, others))) == [True, False]


def test_pale_pictures_are_compared_by_what_little_contrast_they_have():
    pale = [texture(n, 32).convert("L").point(lambda v: 120 + v / 12) for n in (1, 2)]
    pairs = [inspected(picture.convert("RGB"), picture.convert("RGB")) for picture in pale]
    thumbs = np.stack([nearness._thumbs(pair) for pair in pairs])
    assert np.isinf(nearness._differences(thumbs, np.array([0]), np.array([1]))).all()


def test_hashing_finds_what_comparing_all_finds(many, monkeypatch):
    monkeypatch.setattr(nearness, "FEW", 0)
    assert {(one, other) for one, other, _ in nearness.near_duplicates(many)} == EXPECTED


def test_hashing_compares_few_of_all(many, monkeypatch):
    monkeypatch.setattr(nearness, "FEW", 0)
    thumbs = np.stack([nearness._thumbs(pair) for pair in many])
    compared = sum(len(one) for one, _ in nearness._candidates(thumbs))
    assert compared < len(many) * nearness.TABLES * 4 < len(many) ** 2 / 2


def test_a_bucket_without_end_is_compared_in_part():
    keys = np.zeros(10_000, dtype=np.int64)
    one, _ = nearness._neighbours(keys)
    assert len(one) < 10_000 * nearness.BUCKET


def test_pairs_that_were_not_decoded_or_have_no_contrast_are_skipped():
    assert nearness.near_duplicates([]) == []
    empty = InspectedPair(InspectedSide(()), InspectedSide(()))
    assert nearness.near_duplicates([empty, empty]) == []
    flat = [Image.new("RGB", (9, 9), (n, n, n)) for n in (10, 11, 12)]
    assert nearness.near_duplicates([inspected(picture, picture) for picture in flat]) == []


# Palettes


def test_strays_are_what_is_far_from_every_class():
    palette = torch.tensor([[0, 0, 0], [255, 255, 255]])
    pixels = torch.zeros(3, 10, 10, dtype=torch.uint8)
    pixels[:, :5] = 250  # white, a little off
    assert strays(pixels, palette) == (0.0, ())
    pixels[:, 0, :4] = 100
    pixels[:, 1, 0] = 90
    assert strays(pixels, palette) == (0.05, (100, 100, 100))


def test_numbers_of_classes_are_a_palette_too():
    pixels = torch.tensor([[[0, 1], [2, 7]]], dtype=torch.uint8)
    found = strays(pixels, torch.tensor([[0], [1], [2]]))
    assert (found.share, found.colour) == (0.25, (7,))


def test_two_colours_are_a_drawing_and_not_a_label_map():
    drawing = torch.zeros(3, 32, 32, dtype=torch.uint8)
    drawing[:, 10:12] = 255
    assert dominant_colours([drawing] * 5) == []
    drawing[0, 20:] = 200
    assert len(dominant_colours([drawing] * 5)) == 3
    assert dominant_colours([]) == []


def test_a_spread_is_even_and_in_order():
    assert spread(3, 10) == [0, 1, 2]
    assert spread(100, 4) == [0, 25, 50, 75]
    assert spread(0, 4) == []
