"""How pairs are stored: six layouts, the same pairs in each, and what is told of a mistake."""

import pickle

import pytest
from drawn import draw_picture, write_pairs
from hypothesis import given
from hypothesis import strategies as st
from stored_pairs import NAMES, STORED, names, told, told_with_hints, touch, write_list

from imtrans.api.errors import ImtransError
from imtrans.api.layouts import Texts, names_of
from imtrans.components.layouts.folders import Folders
from imtrans.components.layouts.photos import Photos
from imtrans.components.layouts.shards import Shards
from imtrans.components.layouts.side_by_side import SideBySide
from imtrans.components.layouts.table import TableLayout
from imtrans.components.layouts.unpaired import Unpaired

# What every layout promises


@pytest.fixture(params=STORED, ids=lambda store: store.__name__)
def stored(request, tmp_path):
    return request.param(tmp_path)


def test_the_same_pairs_have_the_same_names_in_the_same_order_in_every_layout(stored):
    expected = NAMES[:-1] if isinstance(stored, Shards) else NAMES
    assert names(stored.pairs("train")) == sorted(expected)


def test_the_pictures_of_a_pair_are_those_of_its_name(stored):
    for pair in stored.pairs("train"):
        for picture in (*pair.a, *pair.b):
            assert pair.name + "." in (picture.member or picture.path)
        assert len(pair.b) == 1
        assert len(pair.a) == (0 if isinstance(stored, Photos) else 1)


def test_a_pair_is_found_by_its_place_also_from_the_end_and_in_slices(stored):
    pairs = stored.pairs("train")
    listed = list(pairs)
    assert len(pairs) == len(listed)
    assert pairs[-1] == listed[-1]
    assert pairs[1:3] == listed[1:3]
    assert pairs[::-1] == listed[::-1]
    for outside in (len(listed), -len(listed) - 1):
        with pytest.raises(IndexError):
            pairs[outside]


def test_pairs_can_be_sent_to_a_worker(stored):
    pairs = stored.pairs("train")
    assert list(pickle.loads(pickle.dumps(pairs))) == list(pairs)


def test_pairs_are_built_when_they_are_asked_for(stored):
    pairs = stored.pairs("train")
    assert pairs[0] == pairs[0]
    assert pairs[0] is not pairs[0]


def test_a_split_is_there_or_not(stored):
    assert stored.has("train")
    assert not stored.has("val")
    assert not stored.has("val.txt")


@pytest.mark.parametrize("layout", [SideBySide, Photos, Folders, Unpaired, TableLayout, Shards])
def test_a_root_that_is_not_there_is_told(tmp_path, layout):
    stored = layout(str(tmp_path / "absent"))
    assert not stored.has("train")
    assert "absent: no such folder. put the pairs there, or name their folder" in told(stored)


@given(st.lists(st.text(st.characters(codec=None))))
def test_packed_texts_are_what_they_were(texts):
    packed = Texts(texts)
    assert len(packed) == len(texts)
    assert list(packed) == texts
    assert list(pickle.loads(pickle.dumps(packed))) == texts


def test_file_names_that_are_no_utf_8_survive_packing():
    assert list(Texts(["\udcff.png", "ü"])) == ["\udcff.png", "ü"]


@given(
    st.sets(
        st.builds(
            "".join,
            st.tuples(st.sampled_from("ab"), st.sampled_from(["", ".jpg"]), st.just(".png"))
            | st.tuples(st.sampled_from("ab"), st.sampled_from([".jpg", ".png", ".JPG"])),
        )
    ).map(sorted)
)
def test_names_are_unique_and_begin_their_paths(paths):
    made = names_of(paths)
    assert len(set(made)) == len(paths)
    assert all(path.startswith(name) for name, path in zip(made, paths, strict=True))


# Side by side, and photos


def test_a_pair_side_by_side_is_two_halves_of_one_file(tmp_path):
    write_pairs(tmp_path / "train", 2)
    pair = SideBySide(str(tmp_path)).pairs("train")[1]
    (a,), (b,) = pair.a, pair.b
    assert a.path == b.path == str(tmp_path / "train" / "001.png")
    assert (a.half, b.half) == ("left", "right")


def test_photos_have_no_source(tmp_path):
    touch(tmp_path / "train" / "a.jpg")
    pair = Photos(str(tmp_path)).pairs("train")[0]
    assert pair.a == ()
    assert pair.b[0].path == str(tmp_path / "train" / "a.jpg")
    assert pair.b[0].half is None


@pytest.mark.parametrize("layout", [SideBySide, Photos])
def test_photos_of_one_name_keep_their_suffix_and_are_both_there(tmp_path, layout):
    touch(*(tmp_path / "train" / name for name in ("1.jpg", "1.png", "2.png", ".hidden.png")))
    assert names(layout(str(tmp_path)).pairs("train")) == ["1.jpg", "1.png", "2"]


@pytest.mark.parametrize("layout", [SideBySide, Photos])
def test_the_root_itself_may_be_the_split(tmp_path, layout):
    touch(tmp_path / "a.png")
    pairs = layout(str(tmp_path)).pairs(".")
    assert pairs[0].b[0].path == str(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("there", "remedy"),
    [
        (["trainA/a.png", "trainB/a.png"], 'trainA and trainB are there: use layout = "folders"'),
        (["A/train/a.png", "B/train/a.png"], 'A/train and B/train are there: use layout = "fold'),
        (["trainA/a.png", "trainB/b.png"], 'with no name in common: use layout = "unpaired"'),
        (["a.png"], 'images are in {root} itself: use data.train = "." or move them to {root}/tr'),
        (["Train/a.png", "val/a.png"], "{root} holds 'Train', 'val'; did you mean 'Train'?"),
        (["train-000.tar"], 'train-000.tar is there: use layout = "shards"'),
        (["pairs.csv"], 'pairs.csv is there: use layout = "table"'),
        ([], "{root} holds no folder"),
    ],
)
@pytest.mark.parametrize("layout", [SideBySide, Photos])
def test_a_missing_folder_is_told_with_what_is_there(tmp_path, layout, there, remedy):
    touch(*(tmp_path / name for name in there))
    said = told_with_hints(layout(str(tmp_path)))
    assert said.startswith(f"{tmp_path / 'train'}: no such folder. ")
    assert remedy.format(root=tmp_path) in said


@pytest.mark.parametrize("layout", [SideBySide, Photos])
def test_a_folder_without_images_is_told_with_the_suffixes(tmp_path, layout):
    touch(tmp_path / "train" / "notes.txt")
    assert "train: no images there (looked for .png, .jpg" in told(layout(str(tmp_path)))


# Two folders


def test_folders_are_matched_by_name_whatever_the_order_and_the_suffix(tmp_path):
    touch(*(tmp_path / "trainA" / name for name in ("b.png", "sub/a.png", "c.jpg")))
    touch(*(tmp_path / "trainB" / name for name in ("c.png", "sub/a.JPG", "b.png")))
    pairs = Folders(str(tmp_path)).pairs("train")
    assert names(pairs) == ["b", "c", "sub/a"]
    assert [pair.a[0].path for pair in pairs][1] == str(tmp_path / "trainA" / "c.jpg")
    assert [pair.b[0].path for pair in pairs][2] == str(tmp_path / "trainB" / "sub" / "a.JPG")


@pytest.mark.parametrize(
    ("a", "b"), [("photos/{split}", "labels/{split}"), ("{split}_in", "{split}_out")]
)
def test_folders_may_have_any_name(tmp_path, a, b):
    for split in ("train", "val"):
        touch(*(tmp_path / side.replace("{split}", split) / f"{split}.png" for side in (a, b)))
    layout = Folders(str(tmp_path), a=a, b=b)
    assert names(layout.pairs("val")) == ["val"]
    assert layout.pairs("train")[0].a[0].path == str(
        tmp_path / a.replace("{split}", "train") / "train.png"
    )
    assert layout.has("val")
    assert not layout.has("test")


def test_folders_may_lie_anywhere(tmp_path):
    touch(tmp_path / "x" / "1.png", tmp_path / "y" / "1.png")
    (tmp_path / "root").mkdir()
    layout = Folders(str(tmp_path / "root"), a=str(tmp_path / "x"), b=str(tmp_path / "y"))
    assert layout.pairs("train")[0].b[0].path == str(tmp_path / "y" / "1.png")
    absent = Folders(str(tmp_path / "root"), a=str(tmp_path / "x"), b=str(tmp_path / "z"))
    assert told(absent).startswith(f"{tmp_path / 'z'}: no such folder. {tmp_path} holds 'root'")


def test_folders_named_without_a_split_have_one_split(tmp_path):
    touch(tmp_path / "a" / "1.png", tmp_path / "b" / "1.png")
    layout = Folders(str(tmp_path), a="a", b="b")
    assert names(layout.pairs("train")) == ["1"]
    assert layout.has("train")
    assert not layout.has("val")
    assert "'a' and 'b' hold the split 'train' only; 'val' is not there" in told(layout, "val")


def test_a_folder_that_serves_every_split_may_hold_more_than_one_split_needs(tmp_path):
    touch(tmp_path / "photos" / "train" / "1.png", tmp_path / "photos" / "val" / "2.png")
    touch(tmp_path / "labels" / "1.png", tmp_path / "labels" / "2.png")
    layout = Folders(str(tmp_path), a="photos/{split}", b="labels")
    assert names(layout.pairs("train")) == ["1"]
    assert names(layout.pairs("val")) == ["2"]
    touch(tmp_path / "photos" / "train" / "3.png")
    assert "1 image has no partner" in told(layout)


def test_one_folder_alone_is_a_mistake_of_the_recipe(tmp_path):
    with pytest.raises(ImtransError, match="'a' is given and 'b' is not"):
        Folders(str(tmp_path), a="photos")


def test_orphans_on_both_sides_are_refused_by_name(tmp_path):
    touch(*(tmp_path / "trainA" / f"{n}.png" for n in (1, 2, 3)))
    touch(*(tmp_path / "trainB" / f"{n}.jpg" for n in (1, 4, 5, 6, 7, 8, 9, "x")))
    said = told(Folders(str(tmp_path)))
    assert f"trainA: 2 images have no partner in {tmp_path / 'trainB'}: 2.png, 3.png" in said
    assert "7 images have no partner in" in said
    assert "4.jpg, 5.jpg, 6.jpg, 7.jpg, 8.jpg and 2 more. add the missing files" in said


def test_folders_without_a_common_name_are_told_so(tmp_path):
    touch(tmp_path / "trainA" / "1_in.png", tmp_path / "trainB" / "1_out.png")
    assert "no name is on both sides: give partners the same name" in told(Folders(str(tmp_path)))


def test_a_name_that_stands_twice_is_refused(tmp_path):
    touch(*(tmp_path / side / "1.png" for side in ("trainA", "trainB")))
    touch(tmp_path / "trainB" / "1.jpg")
    said = told(Folders(str(tmp_path)))
    assert "trainB: a name appears twice: 1.jpg and 1.png. " in said
    assert "remove one" in said


def test_both_ways_to_name_two_folders_at_once_are_refused(tmp_path):
    touch(*(tmp_path / name / "1.png" for name in ("trainA", "trainB", "A/train", "B/train")))
    assert "trainA and A/train are both there. name the folders" in told(Folders(str(tmp_path)))


def test_half_a_split_is_told_and_not_passed_over(tmp_path):
    touch(tmp_path / "valA" / "1.png")
    layout = Folders(str(tmp_path))
    assert layout.has("val")
    assert f"{tmp_path / 'valB'}: no such folder. {tmp_path} holds 'valA'" in told(layout, "val")


def test_a_missing_second_folder_names_side_by_side_if_that_is_there(tmp_path):
    touch(tmp_path / "train" / "1.png")
    said = told_with_hints(Folders(str(tmp_path)))
    assert "trainA: no such folder" in said
    assert 'train is there: use layout = "side_by_side" if the pairs are stored so' in said


def test_an_empty_side_is_told(tmp_path):
    touch(tmp_path / "trainA" / "1.png")
    (tmp_path / "trainB").mkdir()
    assert "trainB: no images there" in told(Folders(str(tmp_path)))


def test_a_missing_folder_further_down_is_told_with_what_is_beside_it(tmp_path):
    touch(tmp_path / "photos" / "Train" / "1.png", tmp_path / "labels" / "train" / "1.png")
    said = told(Folders(str(tmp_path), a="photos/{split}", b="labels/{split}"))
    assert f"{tmp_path / 'photos'} holds 'Train'; did you mean 'Train'?" in said


# File lists


@pytest.mark.parametrize("layout", [SideBySide, Photos])
def test_a_split_may_be_a_list_of_names_with_or_without_suffix(tmp_path, layout):
    touch(*(tmp_path / "all" / f"{n}.png" for n in range(5)), tmp_path / "take#2.png")
    write_list(tmp_path, "# mine", "", "all/3.png", "./all/1  # a good one", "take#2")
    stored = layout(str(tmp_path))
    assert stored.has("some.txt")
    pairs = stored.pairs("some.txt")
    assert names(pairs) == ["all/1", "all/3", "take#2"]
    assert pairs[0].b[0].path == str(tmp_path / "all" / "1.png")


@pytest.mark.parametrize(("options", "sides"), [({}, "AB"), ({"a": "x", "b": "y"}, "xy")])
def test_a_file_list_picks_from_two_folders(tmp_path, options, sides):
    touch(*(tmp_path / side / "s" / f"{n}.png" for side in sides for n in range(5)))
    touch(tmp_path / sides[0] / "orphan.png")  # not listed, so it does no harm
    write_list(tmp_path, "s/4", "s/0.png")
    assert names(Folders(str(tmp_path), **options).pairs("some.txt")) == ["s/0", "s/4"]


def test_a_listed_orphan_is_refused(tmp_path):
    touch(tmp_path / "A" / "1.png", tmp_path / "A" / "2.png", tmp_path / "B" / "1.png")
    write_list(tmp_path, "1", "2")
    said = told(Folders(str(tmp_path)), "some.txt")
    assert f"1 image has no partner in {tmp_path / 'B'}: 2.png" in said


def test_a_file_list_needs_folders_that_serve_every_split(tmp_path):
    write_list(tmp_path, "1")
    layout = Folders(str(tmp_path), a="a/{split}", b="b/{split}")
    assert "name 'a' and 'b' without '{split}'" in told(layout, "some.txt")
    assert "A: no such folder. " in told(Folders(str(tmp_path)), "some.txt")


def test_an_unknown_name_is_told_with_its_line_and_near_ones(tmp_path):
    touch(tmp_path / "all" / "house.png")
    write_list(tmp_path, "# names", "all/hose.png")
    said = told(SideBySide(str(tmp_path)), "some.txt")
    expected = "some.txt, line 2: no image 'all/hose.png'; did you mean 'all/house'?"
    assert expected in said


def test_a_name_in_another_folder_is_near(tmp_path):
    touch(tmp_path / "a" / "very" / "deep" / "1.png")
    write_list(tmp_path, "1")
    assert "did you mean 'a/very/deep/1'?" in told(Photos(str(tmp_path)), "some.txt")


def test_the_problems_of_a_list_are_told_together(tmp_path):
    touch(tmp_path / "1.png")
    write_list(tmp_path, "1", "1.png", *(f"absent{n}" for n in range(6)))
    said = told(SideBySide(str(tmp_path)), "some.txt").splitlines()
    assert said[0].endswith("some.txt: 7 problems")
    assert said[1] == "  line 2: '1.png' is in line 1 already; remove one"
    assert said[2].startswith("  line 3: no image 'absent0'")
    assert said[-1] == "  and 2 more"


def test_a_list_that_is_empty_or_no_text_or_not_there_is_told(tmp_path):
    touch(tmp_path / "1.png")
    layout = SideBySide(str(tmp_path))
    write_list(tmp_path, "# nothing yet")
    assert "some.txt: it lists no names" in told(layout, "some.txt")
    (tmp_path / "some.txt").write_bytes(b"\xff\xfe1\x00")
    assert "some.txt: not UTF-8 text" in told(layout, "some.txt")
    (tmp_path / "1.png").unlink()
    assert "same.txt: no such file list. " in told(layout, "same.txt")
    assert "holds 'some.txt'; did you mean 'some.txt'?" in told(layout, "same.txt")


def test_a_linked_folder_counts_under_each_of_its_names(tmp_path):
    (tmp_path / "train" / "day").mkdir(parents=True)
    draw_picture(1, (8, 8)).save(tmp_path / "train" / "day" / "1.png")
    (tmp_path / "train" / "night").symlink_to(tmp_path / "train" / "day")
    (tmp_path / "train" / "day" / "loop").symlink_to(tmp_path / "train")
    names = [pair.name for pair in SideBySide(str(tmp_path)).pairs("train")]
    assert names == ["day/1", "night/1"]
