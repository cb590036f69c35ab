"""Two folders of pictures that do not belong together."""

from time import process_time

import pytest
from stored_pairs import names, told, told_with_hints, touch, write_list

from imtrans.components.layouts.folders import Folders
from imtrans.components.layouts.unpaired import Unpaired

# Two folders that do not belong together


@pytest.fixture
def horses(tmp_path):
    """Five pictures on one side and three on the other, without a common name."""
    touch(*(tmp_path / "trainA" / f"horse{n}.jpg" for n in (2, 10, 1, 3, 4)))
    touch(*(tmp_path / "trainB" / name for name in ("z.png", "sub/a.png", "b.jpg")))
    return tmp_path


def test_an_epoch_of_unpaired_sides_is_as_long_as_the_larger_one(horses):
    pairs = Unpaired(str(horses)).pairs("train")
    assert names(pairs) == ["horse1", "horse10", "horse2", "horse3", "horse4"]
    assert [pair.a[0].path[-5:] for pair in pairs] == ["1.jpg", "0.jpg", "2.jpg", "3.jpg", "4.jpg"]
    small = [str(horses / "trainB" / name) for name in ("b.jpg", "sub/a.png", "z.png")]
    assert [pair.b[0].path for pair in pairs] == [*small, *small[:2]]


def test_unpaired_names_are_unique_whichever_side_is_larger(horses):
    touch(*(horses / "trainB" / f"{n}{suffix}" for n in range(3) for suffix in (".jpg", ".png")))
    pairs = Unpaired(str(horses)).pairs("train")
    assert len(pairs) == len(set(names(pairs))) == 9
    assert names(pairs)[:3] == ["0.jpg", "0.png", "1.jpg"]
    assert pairs[8].a == pairs[3].a


@pytest.mark.parametrize(
    ("a", "b", "options"),
    [
        ("A/train", "B/train", {}),
        ("photos/train", "paintings/train", {"a": "photos/{split}", "b": "paintings/{split}"}),
        ("photos", "paintings", {"a": "photos", "b": "paintings"}),
    ],
)
def test_unpaired_folders_may_be_where_paired_ones_may_be(tmp_path, a, b, options):
    touch(tmp_path / a / "1.png", tmp_path / b / "2.png")
    layout = Unpaired(str(tmp_path), **options)
    (pair,) = layout.pairs("train")
    assert pair.a[0].path == str(tmp_path / a / "1.png")
    assert pair.b[0].path == str(tmp_path / b / "2.png")
    assert layout.has("train")
    assert not layout.has("test")


def test_a_split_that_one_unpaired_side_lacks_is_an_error(horses):
    touch(horses / "testA" / "1.jpg")
    layout = Unpaired(str(horses))
    assert layout.has("test")
    assert f"{horses / 'testB'}: no such folder" in told(layout, "test")
    (horses / "testB").mkdir()
    assert f"{horses / 'testB'}: no images there" in told(layout, "test")


def test_a_file_list_picks_from_both_unpaired_sides(tmp_path):
    touch(*(tmp_path / "A" / f"{n}.png" for n in range(4)), tmp_path / "B" / "x.png")
    touch(tmp_path / "B" / "1.png")
    write_list(tmp_path, "1", "3", "x")
    pairs = Unpaired(str(tmp_path)).pairs("some.txt")
    assert [(pair.a[0].path[-5:], pair.b[0].path[-5:]) for pair in pairs] == [
        ("1.png", "1.png"),
        ("3.png", "x.png"),
    ]
    write_list(tmp_path, "0", "3")
    assert f"it lists no image in {tmp_path / 'B'}" in told(Unpaired(str(tmp_path)), "some.txt")


def test_folders_without_a_common_name_may_be_learned_from_unpaired(horses):
    assert 'learn without pairs (layout = "unpaired")' in told(Folders(str(horses)))
    touch(horses / "train" / "1.png")
    said = told_with_hints(Unpaired(str(horses)), "val")
    assert "holds 'train', 'trainA', 'trainB'" in said


@pytest.mark.soak
@pytest.mark.parametrize("many", [4_000, pytest.param(20_000, marks=pytest.mark.soak)])
def test_many_unpaired_pictures_are_listed_in_a_moment(tmp_path, many):
    for side, count in (("A", many), ("B", 7)):
        (tmp_path / f"train{side}").mkdir()
        for number in range(count):
            (tmp_path / f"train{side}" / f"{number:06d}.png").touch()
    begun = process_time()
    assert len(Unpaired(str(tmp_path)).pairs("train")) == many
    assert process_time() - begun < many / 20_000
