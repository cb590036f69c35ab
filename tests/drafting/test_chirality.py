"""Left and right, distinguished where they differ and nowhere else."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from imtrans.drafting.chirality import Chirality, chirality


def views(draw, count=24, size=64):
    """Pictures of noise on which `draw(canvas, random)` has drawn something."""
    found = []
    for number in range(count):
        random = np.random.default_rng(number)
        noise = random.integers(0, 90, (size, size, 3), dtype=np.uint8)
        image = Image.fromarray(noise)
        draw(ImageDraw.Draw(image), random)
        found.append(torch.from_numpy(np.array(image)).permute(2, 0, 1))
    return found


def nothing(canvas, random):
    pass


def letters(canvas, random):
    for _ in range(4):
        canvas.text(random.integers(-4, 50, 2).tolist(), "RESEF", fill="white")


def something_on_the_left(canvas, random):
    left, top = random.integers(4, 14), random.integers(4, 40)
    canvas.rectangle((left, top, left + 12, top + 12), fill="white")


@pytest.mark.parametrize("draw", [letters, something_on_the_left])
def test_handed_pictures_are_told_from_mirrored_ones(draw):
    found = chirality(views(draw))
    assert found.of == 24
    assert found.seen


def test_pictures_that_might_be_mirrored_are_not():
    assert not chirality(views(nothing)).seen


def test_half_of_them_mirrored_are_not():
    mixed = [v.flip(2) if number % 2 else v for number, v in enumerate(views(letters))]
    assert not chirality(mixed).seen


def test_few_pictures_show_nothing():
    assert chirality(views(letters, count=9)) == Chirality(0, 9)
    assert not chirality(views(letters, count=9)).seen


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 2, 300), (3, 300, 5), (3, 33, 47)])
def test_pictures_of_any_size_and_of_one_colour(shape):
    assert not chirality([torch.full(shape, 90, dtype=torch.uint8)] * 12).seen


@pytest.mark.parametrize(
    ("right", "of", "seen"),
    [(10, 10, True), (9, 10, False), (44, 48, True), (43, 48, False), (9, 9, False), (0, 0, False)],
)
def test_it_takes_nine_of_ten_and_more_than_chance(right, of, seen):
    assert Chirality(right, of).seen is seen


@pytest.mark.parametrize(
    ("name", "handed"), [("edges2shoes", True), ("facades", False), ("sketch2shiba", False)]
)
def test_on_real_pairs(real_data, name, handed):
    halves = []
    for path in sorted((real_data / name).glob("*/*.jpg"))[:20]:
        pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
        halves.append(pixels[..., : pixels.shape[-1] // 2])
    assert chirality(halves).seen is handed
