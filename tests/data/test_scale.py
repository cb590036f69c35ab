"""At which size pictures are translated: what a recipe and the sizes of its files say of it."""

import pytest
from drawn import draw_picture

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Picture
from imtrans.data.scale import TrainingScale, scale_of
from imtrans.recipe.schema import DataTable


@pytest.fixture
def scale(tmp_path):
    """The scale of a training on files of these sizes."""

    def made(*sizes, half=None, **settings):
        for number, size in enumerate(sizes):
            draw_picture(number, size).save(tmp_path / f"{number}.png")
        paths = (Picture(str(tmp_path / f"{n}.png"), half) for n in range(len(sizes)))
        return scale_of(DataTable(root="x", **settings), paths)

    return made


def test_files_of_one_size_give_one_factor_and_the_jitter_is_not_repeated(scale):
    found = scale((60, 60), (60, 60), load_size=36, crop_size=30)
    assert found.factors == (0.5, 0.5)
    assert (found.of(60, 60), found.of(120, 40)) == ((30, 30), (60, 20))
    assert "resized by 0.5, as in training on files of 60 x 60 px" in str(found)


def test_files_that_are_squeezed_are_squeezed_again(scale):
    found = scale((60, 30), crop_size=30)
    assert (found.factors, found.of(80, 40)) == ((0.5, 1.0), (40, 40))
    assert "resized by 0.5 across and 1 down" in str(found)


def test_halves_have_the_size_of_halves(scale):
    assert scale((60, 30), half="left", crop_size=30).factors == (1.0, 1.0)


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({"load_size": 60, "crop_size": 20}, 1),  # only cut
        ({"load_size": 60, "crop_size": 54}, 1),  # likewise, though it could be jitter
        ({"load_size": 45, "crop_size": 15}, 0.75),  # parts of a smaller picture
        ({"load_size": 36, "crop_size": 30}, 0.5),  # jitter
        ({"load_size": 72, "crop_size": 60}, 1),  # jitter, of files that are enlarged for it
    ],
)
@pytest.mark.parametrize("resize", ["square", "shorter"])
def test_parts_of_a_picture_are_seen_at_the_scale_they_were_cut_from(
    scale, settings, factor, resize
):
    assert scale((60, 60), resize=resize, **settings).factors == (factor, factor)


def test_files_of_many_sizes_are_each_brought_to_one(scale):
    square = scale((60, 60), (40, 80), crop_size=30)
    assert (square.factors, square.of(600, 300)) == (None, (30, 30))
    text = "each picture is brought to 30 x 30 px, as in training on files of 40 x 60 px to 60 x 80"
    assert text in str(square)
    shorter = scale((60, 60), (40, 80), crop_size=30, resize="shorter")
    assert (shorter.factors, shorter.of(600, 300)) == (None, (60, 30))
    assert "each picture's shorter side is brought to 30 px" in str(shorter)
    # Of one shorter side there is one factor.
    assert scale((60, 60), (60, 80), crop_size=30, resize="shorter").factors == (0.5, 0.5)


def test_pictures_far_from_all_that_were_seen_are_known(scale):
    found = scale((60, 60), (90, 70), crop_size=30)
    assert not any(found.is_far(*size) for size in ((30, 30), (180, 140), (90, 60)))
    assert all(found.is_far(*size) for size in ((29, 60), (60, 29), (181, 70), (90, 141)))
    assert not TrainingScale(256).is_far(9, 9000)


def test_files_that_cannot_be_read_are_for_others_to_report(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    found = scale_of(DataTable(root="x", crop_size=30), [Picture(str(tmp_path / "a.png"))])
    assert (found.of(60, 90), found.seen) == ((30, 30), "files of unknown sizes")


def test_a_scale_is_written_and_read(scale):
    for found in (scale((60, 30), crop_size=30), scale((60, 30), (9, 9)), TrainingScale(64)):
        assert TrainingScale.loads(found.dumps(), "x") == found


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"size": 0}', '{"size": 3, "factors": [0, 1]}', '{"size": "wide"}'],
)
def test_a_damaged_scale_is_refused(text):
    with pytest.raises(ImtransError, match="a.safetensors: its header has no scale"):
        TrainingScale.loads(text, "a.safetensors")
