"""`imtrans init` on folders as they are found: a recipe that passes the checks, or one line."""

import os
import tomllib

import numpy as np
import pytest
import tifffile
from kept_sets import labels, negative, photo, save
from PIL import Image

from imtrans.drafting import machine
from imtrans.drafting.machine import Cost, Machine

NARROW = ["--set", "generator.width=4"]


@pytest.fixture(autouse=True)
def known_machine(monkeypatch):
    """A machine on which every step takes 10 ms: nothing is timed, which takes seconds."""
    monkeypatch.setattr(machine, "this_machine", lambda: Machine(name="a known machine"))
    monkeypatch.setattr(machine, "cost", lambda recipe, catalog: Cost(0.01, fits=True))


def pairs(root, count, source, target, kind="png"):
    for number in range(count):
        for side, written in (("A", source), ("B", target)):
            path = root / f"train{side}" / f"{number}.{kind}"
            path.parent.mkdir(parents=True, exist_ok=True)
            written(number, path)


def saved(draw):
    return lambda number, path: save(draw(number), path)


def tiff(shape, dtype, top):
    def write(number, path):
        values = np.random.default_rng(number).random(shape) * top
        planes = {"planarconfig": "separate"} if len(shape) > 2 else {}
        tifffile.imwrite(path, values.astype(dtype), photometric="minisblack", **planes)

    return write


def tiny(root):
    pairs(root, 3, saved(photo), saved(negative))


def one_pair(root):
    pairs(root, 1, saved(photo), saved(negative))


def deep(root):
    pairs(root, 12, tiff((48, 48), np.uint16, 4000), tiff((48, 48), np.float32, 1), "tif")


def twelve_channels(root):
    pairs(root, 12, tiff((12, 48, 48), np.uint16, 6e4), tiff((48, 48), np.uint16, 900), "tif")


def from_label_maps(root):
    pairs(root, 12, saved(labels), saved(photo))


def to_label_maps(root):
    pairs(root, 12, saved(photo), saved(labels))


def to_numbers(root):
    def numbered(number):
        drawn = np.asarray(labels(number)).sum(2) // 255
        return Image.fromarray(drawn.astype(np.uint8))

    pairs(root, 12, saved(photo), saved(numbered))


def mixed_sizes(root):
    def sized(draw):
        return lambda number: draw(number, (30 + 17 * number, 200 - 9 * number))

    pairs(root, 12, saved(sized(photo)), saved(sized(negative)))


def other_sizes_on_the_other_side(root):
    pairs(root, 12, saved(photo), saved(lambda number: negative(number, (128, 128))))


def one_colour(root):
    pairs(root, 12, saved(lambda n: Image.new("RGB", (48, 48))), saved(photo))


def lines_of_three_pixels(root):
    def thin(draw):
        return lambda number: draw(number, (300, 3))

    pairs(root, 12, saved(thin(photo)), saved(thin(negative)))


QUICK = [tiny, twelve_channels, to_label_maps, mixed_sizes]
MORE = [
    one_pair,
    deep,
    from_label_maps,
    to_numbers,
    other_sizes_on_the_other_side,
    one_colour,
    lines_of_three_pixels,
]


@pytest.mark.parametrize(
    "kept",
    [*QUICK, *(pytest.param(one, marks=pytest.mark.thorough) for one in MORE)],
    ids=lambda kept: kept.__name__,
)
def test_a_recipe_that_passes_the_checks(imtrans, tmp_path, kept):
    kept(tmp_path / "set")
    to_classes = kept in (to_label_maps, to_numbers)
    side = ["--source", "A"] if to_classes else []
    code, out, err = imtrans("init", "set", *side)
    assert (code, err) == (0, "")
    recipe = tomllib.loads((tmp_path / "set.toml").read_text())
    assert ("classes" in recipe["data"]["target"]) is to_classes
    game = ["--set", "discriminator.width=4"] if "discriminator" in recipe else []
    code, out, err = imtrans("check", "set.toml", *NARROW, *game)
    assert (code, err) == (0, "")
    assert "one step" in out
    assert "warning" not in out


def rubbish(number, path):
    path.write_bytes(b"\x89PNG\r\n\x1a\nrubbish")


def test_broken_files_are_named_and_the_others_planned_for(imtrans, tmp_path):
    def some_rubbish(number, path):
        (saved(photo) if number % 3 else rubbish)(number, path)

    pairs(tmp_path / "set", 12, some_rubbish, saved(negative))
    code, out, err = imtrans("init", "set")
    assert (code, err) == (0, "")
    assert (
        "note: 4 files of those looked at cannot be read, and training refuses that: "
        "set/trainA/0.png, set/trainA/3.png, set/trainA/6.png and 1 more. copy them again, or "
        "remove their pairs; `imtrans data check` names all, and says why"
    ) in out


@pytest.mark.parametrize(("source", "target"), [(rubbish, rubbish), (rubbish, saved(photo))])
def test_where_nothing_can_be_read_there_is_no_plan(imtrans, tmp_path, source, target):
    pairs(tmp_path / "set", 6, source, target)
    code, _, err = imtrans("init", "set")
    assert code == 2
    assert err.startswith("error: set: none of the 6 files looked at can be read, as set/trainA/0")
    assert err.count("\n") == 1
    assert not (tmp_path / "set.toml").exists()


def test_two_folders_that_do_not_belong_together_are_no_pairs(imtrans, tmp_path):
    for side, names in (("A", ("oak", "elm", "ash")), ("B", ("cod", "eel", "bass"))):
        for number, name in enumerate(names):
            save(photo(number), tmp_path / "set" / f"train{side}" / f"{name}.png")
    code, _, err = imtrans("init", "set")
    assert code == 2
    assert "it does not show which pictures are pairs" in err


@pytest.mark.soak
def test_a_hundred_thousand_pairs(imtrans, tmp_path):
    for side, draw in (("A", photo), ("B", negative)):
        for number in range(20):
            save(draw(number), tmp_path / "drawn" / f"{number}{side}.png")
        (tmp_path / "set" / f"train{side}").mkdir(parents=True)
        for number in range(100_000):
            drawn = tmp_path / "drawn" / f"{number % 20}{side}.png"
            os.link(drawn, tmp_path / "set" / f"train{side}" / f"{number:06}.png")
    code, out, _ = imtrans("init", "set")
    assert code == 0
    recipe = tomllib.loads((tmp_path / "set.toml").read_text())
    assert recipe["data"]["validation"] == 0.01
    assert recipe["train"]["epochs"] == 6
