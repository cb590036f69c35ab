"""The colours to draw in: those of the classes, of the files, or plain ones."""

import shutil

import pytest
from PIL import Image, ImageDraw
from tiny_recipe import write_tiny

from imtrans.board.names import names_of
from imtrans.board.palette import PLAIN, palette_of
from imtrans.recipe import reading as recipes
from imtrans.runs.header import Header

WALL, WINDOW, DOOR = (0, 0, 221), (0, 85, 255), (255, 85, 0)


@pytest.fixture
def palette(tmp_path):
    """The palette of the tiny recipe with these changes."""

    def found(*changes):
        path = tmp_path / "tiny.toml"
        text = recipes.dumps(recipes.read(path if path.exists() else write_tiny(tmp_path), changes))
        return palette_of(Header(path, "generator", text, {"format": "2"}))

    return found


def draw_sources(folder, draw, mode="RGB", size=(80, 64)):
    for path in folder.rglob("*.png"):
        pair = Image.new("RGB", (2 * size[0], size[1]), "gray")
        source = Image.new(mode, size)
        draw(ImageDraw.Draw(source), int(path.stem))
        pair.paste(source, (0, 0))
        pair.save(path)


def facade(pen, number):
    pen.rectangle((0, 0, 80, 64), WALL)
    pen.rectangle((10, 10, 20 + number, 30), WINDOW)
    pen.rectangle((40, 40, 50, 64), DOOR)


def colours(found):
    return [each.colour for each in found.swatches]


def test_classes_of_the_recipe_are_the_palette_and_the_most_frequent_the_background(
    palette, tmp_path
):
    write_tiny(tmp_path)
    draw_sources(tmp_path / "pairs", facade)
    classes = "data.source.classes=[[255, 85, 0], [0, 85, 255], [0, 0, 221]]"
    found = palette('data.source.resample="nearest"', classes)
    assert found.kind == "labels"
    assert colours(found) == ["#ff5500", "#0055ff", "#0000dd"]
    assert found.background == "#0000dd"
    assert found.stored() == {}
    shutil.rmtree(tmp_path / "pairs")
    gone = palette('data.source.resample="nearest"', classes)
    assert (colours(gone), gone.background) == (colours(found), "#ff5500")


def test_numbers_of_classes_have_colours_that_can_be_told_apart(palette):
    found = palette(
        "data.source.channels=1",
        'data.source.resample="nearest"',
        "data.source.classes=[[0], [1], [2], [33]]",
    )
    assert list(found.stored().values()) == [(0,), (1,), (2,), (33,)]
    assert len(set(colours(found))) == 4
    assert [each.name for each in found.swatches][3].startswith("33 (")


def test_without_classes_the_files_say_which_colours(palette, tmp_path):
    write_tiny(tmp_path)
    draw_sources(tmp_path / "pairs", facade)
    found = palette()
    assert set(colours(found)) == {"#0000dd", "#0055ff", "#ff5500"}
    assert (found.kind, found.background) == ("labels", "#0000dd")


@pytest.mark.parametrize(("paper", "ink"), [("white", "black"), ("black", "white")])
def test_drawings_are_black_and_white_on_their_own_paper(palette, tmp_path, paper, ink):
    write_tiny(tmp_path)

    def soft(pen, number):
        pen.rectangle((0, 0, 80, 64), paper)
        pen.ellipse((10, 10, 40 + number, 40), outline=ink)
        for level in range(100, 100 + 10 * number + 10):  # as antialiasing leaves them
            pen.point((level - 90, 50), (level, level, level + number))

    draw_sources(tmp_path / "pairs", soft)
    found = palette()
    assert (found.kind, colours(found)) == ("drawing", ["#000000", "#ffffff"])
    assert found.background == ("#ffffff" if paper == "white" else "#000000")


def test_photographs_and_files_that_are_gone_have_plain_colours(palette, tmp_path):
    write_tiny(tmp_path)

    def noise(pen, number):
        for x in range(80):
            for y in range(64):
                pen.point((x, y), (x * 3 % 256, y * 4 % 256, (x * y + number) % 256))

    draw_sources(tmp_path / "pairs", noise)
    found = palette()
    assert (found.kind, len(found.swatches), found.background) == (
        "photograph",
        len(PLAIN),
        "#ffffff",
    )
    shutil.rmtree(tmp_path / "pairs")
    assert palette() == found


@pytest.mark.parametrize(
    ("derivation", "kind"),
    [("edges", "drawing"), ("grayscale", "photograph"), ("lab", "photograph")],
)
def test_a_derivation_says_whether_it_takes_drawings(palette, derivation, kind):
    assert palette(f'data.derive="{derivation}"', 'data.layout="photos"').kind == kind


def test_each_name_of_a_colour_appears_once():
    named = {
        (0, 0, 0): "black",
        (255, 255, 255): "white",
        (128, 128, 128): "grey",
        (0, 0, 221): "blue",
        (0, 85, 255): "blue 2",
        (255, 85, 0): "orange",
        (120, 80, 50): "brown",
        (0, 255, 238): "turquoise",
        (170, 255, 85): "lime",
        (255, 0, 40): "red",
        (200, 0, 0): "red 2",
        (90, 0, 0): "dark red",
        (150, 190, 250): "light blue",
    }
    assert dict(zip(named, names_of([*named]), strict=True)) == named
    levels = range(0, 256, 15)
    every = [(red, green, blue) for red in levels for green in levels for blue in levels]
    assert len(set(names_of(every))) == len(every)
