"""One image in, one image out: where it goes, and what it never replaces."""

import pytest
from drawn import draw_picture
from PIL import Image

import imtrans as public


@pytest.fixture
def model(finished_run, tmp_path):
    """A trained run in the working folder, and a picture beside it."""
    finished_run(tmp_path / "runs" / "tiny")
    draw_picture(4, (64, 64)).save(tmp_path / "my photo.jpg")
    draw_picture(4, (64, 64)).save(tmp_path / "photo.png")
    return ("--recipe", "tiny")


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*.png"))


def test_its_result_is_beside_it_and_replaced_by_the_next(imtrans, model, tmp_path):
    for name, result in (("photo.png", "photo-tiny.png"), ("my photo.jpg", "my photo-tiny.png")):
        for _ in range(2):
            code, out, err = imtrans("translate", *model, name)
            assert (code, out, err) == (0, f"{result}\n", "")
        with Image.open(tmp_path / result) as image:
            assert image.size == (64, 64)
    assert not [path for path in tmp_path.iterdir() if path.name == ".imtrans"]


def test_output_names_a_file_or_a_folder(imtrans, model, tmp_path):
    assert imtrans("translate", *model, "photo.png", "--output", "new/out.png")[0] == 0
    assert (tmp_path / "new/out.png").is_file()
    assert imtrans("translate", *model, "photo.png", "--output", "folder")[0] == 0
    assert (tmp_path / "folder/photo.png").is_file()
    assert imtrans("translate", *model, "photo.png", "--output", "folder")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("photo.png", "--output", "photo.png"),
            "photo.png: exists already, and is not",
        ),
        (("photo.png", "--output", "mine.png"), "mine.png: exists already, and is not"),
        (
            ("photo.png", "--output", "o.jpg"),
            ".jpg would lose something of the result",
        ),
        ((".", "--output", "out.png"), "out.png: the name of an image, and . is a folder"),
        (("nothing.png",), "nothing.png: no such file or folder"),
        (("nothing.png", "--output", "out.png"), "nothing.png: no such file or folder"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_lost(imtrans, model, tmp_path, arguments, said):
    draw_picture(1, (9, 9)).save(tmp_path / "mine.png")
    before = {path: path.read_bytes() for path in tmp_path.glob("*.png")}
    code, _, err = imtrans("translate", *model, *arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.glob("*.png")} == before


def test_a_run_is_named_like_its_recipe_or_by_its_folder(imtrans, model, tmp_path):
    assert imtrans("translate", "--recipe", "runs/tiny", "photo.png")[0] == 0
    assert (tmp_path / "photo-tiny.png").is_file()
    code, _, err = imtrans("translate", "--recipe", "tinny", "photo.png")
    assert (code, err.count("\n")) == (2, 1)
    assert "runs/tinny: no such run; there are 'tiny'. name one of them" in err


def test_a_folder_of_pictures_may_be_called_like_the_run(imtrans, model, tmp_path):
    """As `imtrans init tiny` calls a recipe after its folder."""
    (tmp_path / "tiny").mkdir()
    assert imtrans("translate", *model, "photo.png")[0] == 0
    assert imtrans("translate", *model, "--best", "photo.png")[0] == 0
    assert public.load("tiny").scale == public.load("tiny.toml").scale
    code, out, _ = imtrans("runs", "compare", "tiny", "runs/tiny")
    assert (code, "the recipes are equal" in out) == (0, True)


def test_the_folder_of_a_run_continues_it(imtrans, model, tmp_path):
    code, out, _ = imtrans("train", "runs/tiny", "--set", "train.epochs=3")
    assert code == 0
    assert "continuing after runs/tiny/checkpoints/step_00000012" in out
    assert "18 steps trained: runs/tiny/checkpoints" in out


def test_what_a_finished_model_refuses_is_to_be_converted(imtrans, model, tmp_path):
    Image.new("RGBA", (64, 64), (9, 9, 9, 9)).save(tmp_path / "clear.png")
    Image.new("I;16", (64, 64)).save(tmp_path / "deep.png")
    code, _, err = imtrans("translate", *model, "clear.png")
    assert (code, err) == (
        1,
        "skipped: clear.png: has transparent pixels. save it without transparency\n",
    )
    code, _, err = imtrans("translate", *model, "deep.png")
    assert code == 1
    assert "16 bits per channel; only 8-bit images are read. convert it to 8-bit" in err
    assert "set data." not in err
