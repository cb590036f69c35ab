"""Differentiable augmentation, computed a second time from the paper, with the same draws."""

import numpy as np
import pytest
import torch

from imtrans.api.diffaugment import diffaugment
from imtrans.api.errors import ImtransError
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.registry import describe_annotation
from imtrans.task import Task

SIZES = [(16, 16), (24, 40), (17, 9)]


def a_pair(height, width, channels=(2, 3), count=5):
    generator = torch.Generator().manual_seed(7)
    return tuple(torch.rand(count, c, height, width, generator=generator) * 2 - 1 for c in channels)


def changed(kinds, *pairs):
    torch.manual_seed(3)
    found = diffaugment(kinds, *pairs)
    torch.manual_seed(3)  # for the test to draw the same
    return found


def test_colours_are_the_papers():
    source, image = a_pair(6, 5)
    ((seen, found),) = changed(["color"], (source, image))
    brightness, saturation, contrast = (torch.rand(5, 1, 1, 1).numpy() for _ in range(3))
    expected = image.numpy() + (brightness - 0.5)
    grey = expected.mean(1, keepdims=True)
    expected = grey + (expected - grey) * (saturation * 2)
    mean = expected.mean((1, 2, 3), keepdims=True)
    expected = mean + (expected - mean) * (contrast + 0.5)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
    assert torch.equal(seen, source)


@pytest.mark.parametrize("size", SIZES)
def test_a_translation_moves_by_an_eighth_at_most_and_fills_with_grey(size):
    found = changed(["translation"], a_pair(*size))[0]
    most = [int(side / 8 + 0.5) for side in size]
    moves = [torch.randint(-m, m + 1, (5, 1)) for m in most]
    for image, moved in zip(a_pair(*size), found, strict=True):
        expected = np.zeros_like(image.numpy())
        for n, y, x in np.ndindex(5, *size):
            row, column = y + int(moves[0][n]), x + int(moves[1][n])
            if 0 <= row < size[0] and 0 <= column < size[1]:
                expected[n, :, y, x] = image.numpy()[n, :, row, column]
        np.testing.assert_array_equal(moved.numpy(), expected)


@pytest.mark.parametrize("size", SIZES)
def test_a_cutout_erases_half_of_each_side_of_both_images(size):
    found = changed(["cutout"], a_pair(*size))[0]
    holes = [int(side / 2 + 0.5) for side in size]
    rows = zip(size, holes, strict=True)
    at = [torch.randint(0, side + 1 - hole % 2, (5, 1)) for side, hole in rows]
    for image, cut in zip(a_pair(*size), found, strict=True):
        expected = image.numpy().copy()
        for n in range(5):
            spans = []
            for side, hole, offset in zip(size, holes, at, strict=True):
                # As published: the places of the hole, clamped to the image.
                spans.append(np.clip(np.arange(hole) + int(offset[n]) - hole // 2, 0, side - 1))
            expected[n][:, spans[0][:, None], spans[1][None]] = 0
        np.testing.assert_array_equal(cut.numpy(), expected)


def test_draws_are_shared_by_the_pairs_of_a_call_and_differ_between_images():
    pair = a_pair(32, 32, (3, 3))
    both = (pair[0][:1].expand_as(pair[0]), pair[1][:1].expand_as(pair[1]))
    kinds = ["color", "translation", "cutout"]
    one, other = diffaugment(kinds, both, both)
    assert all(torch.equal(x, y) for x, y in zip(one, other, strict=True))
    assert all(not torch.equal(one[1][0], each) for each in one[1][1:])
    (again,) = diffaugment(kinds, both)
    assert not torch.equal(one[1], again[1])


def test_the_order_in_memory_changes_nothing_and_gradients_flow():
    pair = a_pair(24, 16, (3, 3))
    kinds = ["color", "translation", "cutout"]
    last = [x.contiguous(memory_format=torch.channels_last).requires_grad_() for x in pair]
    (expected,), (found,) = changed(kinds, pair), changed(kinds, tuple(last))
    for one, side in zip(expected, found, strict=True):
        torch.testing.assert_close(side, one, rtol=0, atol=1e-6)
    found[1].sum().backward()
    assert last[1].grad.any()


def test_with_no_kinds_the_pairs_are_as_they_were():
    pair, random = a_pair(8, 8), torch.get_rng_state()
    assert diffaugment((), pair)[0] is pair
    assert torch.equal(random, torch.get_rng_state())


def test_the_kinds_are_listed_as_a_person_reads_them():
    option = catalog().methods["pix2pix"].options["diffaugment"]
    kinds = "a list of 'color' or 'translation' or 'cutout'"
    assert describe_annotation(option.annotation) == kinds


def test_colours_of_what_is_not_rgb_are_refused(tiny_file):
    recipe = recipes.read(
        tiny_file, ("method.diffaugment=['color']", "data.target.channels=1"), catalog()
    )
    with pytest.raises(ImtransError, match="'color' changes RGB colours, and the target has 1"):
        Task(recipe, catalog()).method(torch.device("cpu"))
