"""Pixels at another size, whole or only a part of them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imtrans.data.pixels.resize import Window, _box, resize

KINDS = {
    "grey": (1, torch.uint8),
    "RGB": (3, torch.uint8),
    "five bands": (5, torch.uint8),
    "16 bits": (1, torch.int32),
    "floats": (2, torch.float32),
}


def pixels(kind, height, width):
    channels, dtype = KINDS[kind]
    drawn = torch.rand(channels, height, width, generator=torch.Generator().manual_seed(0))
    return drawn if dtype.is_floating_point else (drawn * 255).to(dtype)


@given(
    kind=st.sampled_from(sorted(KINDS)),
    old=st.tuples(*[st.integers(1, 300)] * 2),
    new=st.tuples(*[st.sampled_from([1, 16, 64, 128, 286, 7, 100])] * 2),
    resample=st.sampled_from(["bicubic", "bilinear", "nearest"]),
    data=st.data(),
)
def test_a_window_holds_the_very_pixels_of_a_cut(kind, old, new, resample, data):
    height, width = new
    left, top = (data.draw(st.integers(0, size - 1)) for size in (width, height))
    window = Window(
        left, top, data.draw(st.integers(1, width - left)), data.draw(st.integers(1, height - top))
    )
    image = pixels(kind, *old)
    cut = window.of(resize(image, height, width, resample))
    assert torch.equal(resize(image, height, width, resample, window), cut)


@given(
    old=st.integers(1, 700),
    new=st.sampled_from([64, 128, 256, 512]),
    resample=st.sampled_from(["bicubic", "bilinear", "nearest"]),
    data=st.data(),
)
def test_a_square_window_is_resized_alone_to_the_very_pixels(old, new, resample, data):
    size = data.draw(st.integers(1, new))
    left, top = (data.draw(st.integers(0, new - size)) for _ in range(2))
    window = Window(left, top, size, size)
    assert _box((old, old), (new, new), window)
    image = pixels("RGB", old, old)
    whole = resize(image, new, new, resample)
    assert torch.equal(resize(image, new, new, resample, window), window.of(whole))


def test_a_window_is_resized_alone_where_that_is_exact():
    window = Window(3, 5, 256, 256)
    assert _box((300, 300), (512, 512), window)
    assert _box((300, 300), (286, 286), window) is None
    assert _box((300, 200), (512, 512), window) is None


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_size_that_is_right_already_changes_nothing(kind):
    image = pixels(kind, 9, 7)
    assert torch.equal(resize(image, 9, 7, "bicubic"), image)
    assert torch.equal(resize(image, 9, 7, "bicubic", Window(2, 1, 3, 4)), image[:, 1:5, 2:5])
