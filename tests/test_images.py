"""Reading images: upright, in the channels asked for, and nothing lost without a word."""

import contextlib
import struct
import zlib

import pytest
import torch
from drawn import draw_picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from imtrans.data import images
from imtrans.errors import ImtransError


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_every_listed_format_can_be_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    draw_picture(1, (20, 10)).save(path)
    assert images.read(path).size == (20, 10)
    assert images.find_images(tmp_path) == [path.relative_to(tmp_path)]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_8_bit_mode_becomes_the_channels_asked_for(tmp_path, mode, channels):
    suffix = "tif" if mode == "CMYK" else "png"
    draw_picture(1, (8, 6)).convert("L" if mode == "LA" else "RGB").convert(mode).save(
        tmp_path / f"a.{suffix}"
    )
    read = images.read(tmp_path / f"a.{suffix}", channels)
    assert images.to_tensor(read).shape == (channels, 6, 8)


def test_a_rotated_photograph_is_read_upright(tmp_path):
    picture = draw_picture(1, (20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    picture.save(tmp_path / "a.png", exif=exif)
    read = images.read(tmp_path / "a.png")
    assert read.tobytes() == picture.transpose(Image.Transpose.ROTATE_270).tobytes()


def test_transparency_is_laid_over_white_and_hides_what_is_under_it(tmp_path):
    Image.new("RGBA", (2, 2), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert images.read(tmp_path / "a.png").getpixel((0, 0)) == (255, 255, 255)


def png(depth, colour, rows):
    """A PNG of a bit depth that Pillow may not write."""

    def chunk(kind, body):
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", 4, 2, depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3)])
def test_16_bits_are_refused_rather_than_clipped(tmp_path, colour, channels):
    row = struct.pack(f">{4 * channels}H", *[4000] * 4 * channels)
    (tmp_path / "a.png").write_bytes(png(16, colour, [row, row]))
    with pytest.raises(ImtransError, match="a.png: 16 bits per channel; only 8-bit images"):
        images.read(tmp_path / "a.png")


def test_other_depths_are_refused_with_the_files_name(tmp_path):
    Image.new("F", (2, 2)).save(tmp_path / "a.tif")
    with pytest.raises(ImtransError, match="a.tif: Pillow's mode 'F'; only 8-bit"):
        images.read(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not an image"),
        (b"hello", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "a.png: "),
        (None, "no such file"),
    ],
)
def test_what_is_no_image_is_named(tmp_path, content, told):
    if content is not None:
        (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImtransError, match=told) as caught:
        images.read(tmp_path / "a.png")
    assert str(tmp_path / "a.png") in str(caught.value)


def test_a_header_that_promises_too_much_is_refused_before_memory_is_taken(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    whole = png(8, 2, [b""])
    start = whole.index(b"IHDR") + 4
    crc = struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "a.png").write_bytes(whole[:start] + header + crc + whole[start + 17 :])
    with pytest.raises(ImtransError, match="too many pixels"):
        images.read(tmp_path / "a.png")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), suffix=st.sampled_from([".png", ".jpg", ".webp", ".bmp", ".tif"]))
def test_a_damaged_file_is_read_or_refused_but_nothing_else_comes_out(tmp_path, data, suffix):
    path = tmp_path / f"a{suffix}"
    draw_picture(1, (24, 16)).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(ImtransError):
        images.read(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_tensors_and_images_turn_into_each_other(channels):
    pixels = torch.randint(0, 256, (channels, 5, 7), dtype=torch.uint8)
    assert torch.equal(images.to_tensor(images.to_image(pixels)), pixels)


def test_hidden_files_are_no_images(tmp_path):
    for name in ("._a.png", "b.png", ".hidden/c.png", "sub/d.PNG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        draw_picture(1, (4, 4)).save(tmp_path / name, format="PNG")
    assert list(map(str, images.find_images(tmp_path))) == ["b.png", "sub/d.PNG"]
