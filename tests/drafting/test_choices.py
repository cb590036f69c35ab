"""Ranges of stored values, and how choices become a recipe."""

import tomllib

import pytest

from imtrans.data.pixels.formats.header import ImageHeader
from imtrans.drafting.choice import LOSS, Choice, recipe_text
from imtrans.drafting.pixels import pixels
from imtrans.drafting.sample import SideSample


@pytest.mark.parametrize(
    ("dtype", "low", "high", "expected"),
    [
        ("uint8", 0, 255, [0, 255]),
        ("uint8", 20, 40, [20, 40]),
        ("uint16", 12, 60_000, [0, 65535]),
        ("uint16", 12, 3980, [0, 4095]),
        ("uint16", 0, 900, [0, 1023]),
        ("uint16", 130, 535, [130, 540]),
        ("uint16", 3, 7300, [0, 7300]),
        ("uint16", 7, 7, [0, 65535]),
        ("float32", 0.0, 0.98, [0.0, 1.0]),
        ("float32", -0.9, 0.97, [-1.0, 1.0]),
        ("float32", -13.2, 480.1, [-20.0, 490.0]),
        ("float32", 0.0, 0.00123, [0.0, 0.0013]),
        ("float32", 2.5, 2.5, [0.0, 1.0]),
    ],
)
def test_ranges_are_round_and_hold_the_values(dtype, low, high, expected):
    header = ImageHeader("TIFF", (64, 64), dtype, 1, "grey", False, 1)
    sample = SideSample([header], [(64, 64)], low, high)
    stored = {"channels": 1, "dtype": dtype}
    (found,) = [one.value for one in pixels("source", stored, sample) if one.key == "range"]
    assert found == expected


def test_long_lists_are_broken_between_their_parts():
    colours = [[number, number, number] for number in range(60)]
    text = recipe_text("x", [Choice("data.source", "classes", colours, "why")])
    assert tomllib.loads(text)["data"]["source"]["classes"] == colours
    assert max(map(len, text.splitlines())) <= 100
    assert all(line.count("[") == line.count("]") for line in text.splitlines()[5:-1])


def test_each_loss_is_a_table_of_its_own():
    losses = [Choice(LOSS, "name", "l1"), Choice(LOSS, "weight", 2.0), Choice(LOSS, "name", "l2")]
    assert tomllib.loads(recipe_text("x", losses))["loss"] == [
        {"name": "l1", "weight": 2.0},
        {"name": "l2"},
    ]


def test_reasons_are_comments_whatever_they_hold():
    text = recipe_text(
        "a\nb",
        [
            Choice("", "title", 'x"\n'),
            Choice("data", "root", ".", "why\nnot \x1b[31m"),
            Choice("data", "layout", "photos", "long " * 60),
            Choice(LOSS, "name", "l1"),
        ],
    )
    assert tomllib.loads(text) == {
        "title": 'x"\n',
        "data": {"root": ".", "layout": "photos"},
        "loss": [{"name": "l1"}],
    }
    assert "\x1b" not in text
