"""What a drafted recipe chooses for pictures of given sizes and values."""

import tomllib

import pytest

from imtrans.data.pixels.formats.header import ImageHeader
from imtrans.drafting.choice import LOSS, Choice, recipe_text
from imtrans.drafting.pixels import pixels
from imtrans.drafting.sample import SideSample
from imtrans.drafting.sizes import generator, sizes


@pytest.mark.parametrize(
    ("found", "expected", "network"),
    [
        ([(256, 256)], {"crop_size": 256}, "unet_256"),
        ([(600, 600)], {"load_size": 286, "crop_size": 256}, "unet_256"),
        ([(240, 240), (300, 300)], {"load_size": 286, "crop_size": 256}, "unet_256"),
        (
            [(640, 480)],
            {"resize": "shorter", "load_size": 286, "crop_size": 256},
            "unet_256",
        ),
        ([(150, 150)], {"load_size": 143, "crop_size": 128}, "unet_128"),
        ([(128, 128)], {"crop_size": 128}, "unet_128"),
        ([(64, 64)], {"crop_size": 64}, "resnet_6"),
        ([(50, 50)], {"load_size": 54, "crop_size": 48}, "resnet_6"),
        ([(9, 9)], {"load_size": 18, "crop_size": 16}, "resnet_6"),
        ([], {"crop_size": 256}, "unet_256"),
    ],
)
def test_sizes_follow_the_files(found, expected, network):
    chosen = {choice.key: choice.value for choice in sizes(found)}
    assert chosen == expected
    assert generator(chosen["crop_size"]).value == network


def test_a_loss_of_detail_is_said():
    assert any("shrunk 7.2 times" in choice.reason for choice in sizes([(2048, 2048)]))
    assert not any("shrunk" in choice.reason for choice in sizes([(512, 512)]))


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


def test_label_maps_are_nearest_with_classes_unless_they_are_jpeg():
    png = ImageHeader("PNG", (64, 64), "uint8", 1, "grey", True, 1)
    stored = {"channels": 1, "dtype": "uint8"}

    def chosen(**sample):
        found = pixels("target", stored, SideSample([png], [(64, 64)], 0, 255, **sample))
        return {choice.key: choice.value for choice in found}

    labels = chosen(colours=[(0,), (1,), (2,)])
    assert (labels["resample"], labels["classes"]) == ("nearest", [[0], [1], [2]])
    assert labels["alpha"] == "white"
    mask = chosen(colours=[(0,), (255,)])
    assert mask["resample"] == "nearest"
    assert "classes" not in mask
    assert chosen(blurred=[(1, 2, 3)])["resample"] == "bicubic"


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
