"""How pairs are stored: five layouts, the same pairs in each, and what is told of a mistake."""

import io
import pickle
import re
import tarfile

import pytest
from drawn import draw_picture, write_pairs
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imtrans.components.folders import Folders
from imtrans.components.photos import Photos
from imtrans.components.shards import Shards, split_name
from imtrans.components.side_by_side import SideBySide
from imtrans.components.table import Table
from imtrans.errors import ImtransError
from imtrans.layout_tools import Texts, names_of

NAMES = ["a", "a-b", "sub/a", "sub/deep/z", "z.v2"]


def touch(*paths):
    """Empty files: a layout reads no pixels."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(pairs):
    return [pair.name for pair in pairs]


def told(layout, split="train"):
    """What the layout says is wrong."""
    with pytest.raises(ImtransError) as caught:
        layout.pairs(split)
    return str(caught.value)


def write_table(root, *rows, file="pairs.csv", header="source,target"):
    root.mkdir(parents=True, exist_ok=True)
    (root / file).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    for row in rows:
        touch(*(root / cell for cell in re.split("[,\t]", row) if cell.endswith("png")))


def pack(tar, *members, format=tarfile.GNU_FORMAT):
    """A tar file of (name, content), or of names with their name as content."""
    tar.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(tar, "w", format=format) as archive:
        for member in members:
            name, content = member if isinstance(member, tuple) else (member, member.encode())
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return tar


def pack_special(tar, kind, name="001.source.png", link="000.source.png"):
    with tarfile.open(tar, "a") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        archive.addfile(info)
    return tar


def content(picture):
    """The bytes of a member, read as a loader would."""
    with open(picture.path, "rb") as file:
        file.seek(picture.offset)
        return file.read(picture.size)


def stored_side_by_side(root):
    touch(*(root / "train" / f"{name}.png" for name in NAMES))
    return SideBySide(str(root))


def stored_as_photos(root):
    touch(*(root / "train" / f"{name}.jpg" for name in NAMES))
    return Photos(str(root))


def stored_in_two_folders(root):
    touch(*(root / "trainA" / f"{name}.png" for name in reversed(NAMES)))
    touch(*(root / "trainB" / f"{name}.JPG" for name in NAMES))
    return Folders(str(root))


def stored_by_side(root):
    touch(*(root / side / "train" / f"{name}.png" for side in "AB" for name in NAMES))
    return Folders(str(root))


def stored_in_a_table(root):
    write_table(root, *(f"A/{name}.png,{name}.png" for name in reversed(NAMES)))
    return Table(str(root))


def stored_in_shards(root):
    # A key ends at the first dot: the last name is another there.
    for number, name in enumerate(NAMES[:-1]):
        pack(root / f"train-{number}.tar", f"{name}.source.png", f"{name}.target.jpg")
    return Shards(str(root))


STORED = [
    stored_side_by_side,
    stored_as_photos,
    stored_in_two_folders,
    stored_by_side,
    stored_in_a_table,
    stored_in_shards,
]


@pytest.fixture(params=STORED, ids=lambda store: store.__name__)
def stored(request, tmp_path):
    return request.param(tmp_path)


# What every layout promises


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


@pytest.mark.parametrize("layout", [SideBySide, Photos, Folders, Table, Shards])
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
        (["a.png"], 'images lie in {root} itself: use data.train = "." or move them to {root}/tr'),
        (["Train/a.png", "val/a.png"], "{root} holds 'Train', 'val'; did you mean 'Train'?"),
        (["train-000.tar"], 'train-000.tar is there: use layout = "shards"'),
        (["pairs.csv"], 'pairs.csv is there: use layout = "table"'),
        ([], "{root} holds no folder"),
    ],
)
@pytest.mark.parametrize("layout", [SideBySide, Photos])
def test_a_missing_folder_is_told_with_what_is_there(tmp_path, layout, there, remedy):
    touch(*(tmp_path / name for name in there))
    said = told(layout(str(tmp_path)))
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
    assert "trainB: a name stands there twice: 1.jpg and 1.png. " in said
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
    said = told(Folders(str(tmp_path)))
    assert "trainA: no such folder" in said
    assert 'train is there: use layout = "side_by_side" if its images hold A|B' in said


def test_an_empty_side_is_told(tmp_path):
    touch(tmp_path / "trainA" / "1.png")
    (tmp_path / "trainB").mkdir()
    assert "trainB: no images there" in told(Folders(str(tmp_path)))


def test_a_missing_folder_further_down_is_told_with_what_is_beside_it(tmp_path):
    touch(tmp_path / "photos" / "Train" / "1.png", tmp_path / "labels" / "train" / "1.png")
    said = told(Folders(str(tmp_path), a="photos/{split}", b="labels/{split}"))
    assert f"{tmp_path / 'photos'} holds 'Train'; did you mean 'Train'?" in said


# File lists


def write_list(root, *lines, name="some.txt"):
    (root / name).write_text("\n".join(lines), encoding="utf-8")


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
    assert said[1] == "  line 2: '1.png' stands in line 1 already; remove one"
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


# A table


def test_a_table_says_which_files_belong_together(tmp_path):
    touch(tmp_path / "in" / "a, b.png", tmp_path / "out" / "1.png")
    write_table(tmp_path, "in/x.png,out/2.png", "", ' "in/a, b.png" ,out/1.png ')
    pairs = Table(str(tmp_path)).pairs("train")
    assert names(pairs) == ["out/1", "out/2"]
    assert pairs[1].a[0].path == str(tmp_path / "in" / "x.png")


def test_a_side_may_be_several_pictures_in_the_order_of_the_recipe(tmp_path):
    write_table(tmp_path, "1.png,2.png,3.png", header="depth,photo,label")
    layout = Table(str(tmp_path), source=["photo", "depth"], target="label")
    pair = layout.pairs("train")[0]
    assert [picture.path for picture in pair.a] == [str(tmp_path / n) for n in ("2.png", "1.png")]
    assert pair.name == "3"


def test_a_table_may_hold_targets_only(tmp_path):
    write_table(tmp_path, "1.png", header="target")
    assert Table(str(tmp_path), source=[]).pairs("train")[0].a == ()


def test_a_column_tells_the_splits(tmp_path):
    write_table(
        tmp_path, "1.png,2.png,train", "3.png,4.png,val", header="\ufeffsource,target,split"
    )
    layout = Table(str(tmp_path))
    assert names(layout.pairs("val")) == ["4"]
    assert layout.has("val")
    assert not layout.has("test")
    assert (
        "no rows of split 'vall'; did you mean 'val'?; the column 'split' has 'train' (1 row"
        in (told(layout, "vall"))
    )


def test_without_that_column_every_row_is_in_train(tmp_path):
    write_table(tmp_path, "1.png,2.png")
    layout = Table(str(tmp_path))
    assert not layout.has("val")
    assert "without a column 'split' every row is in 'train'" in told(layout, "val")


def test_a_column_that_is_nearly_called_split_is_not_passed_over(tmp_path):
    write_table(tmp_path, "1.png,2.png,val", header="source,target,Split")
    assert "line 1: no column 'split'; did you mean 'Split'?" in told(Table(str(tmp_path)))


def test_a_table_may_be_separated_by_tabs(tmp_path):
    write_table(tmp_path, "1.png\t2.png", file="some.tsv", header="source\ttarget")
    assert names(Table(str(tmp_path), file="some.tsv").pairs("train")) == ["2"]


def test_a_column_may_name_the_pairs(tmp_path):
    write_table(tmp_path, "1.png,3.png,x", "2.png,3.png,y", header="source,target,id")
    assert names(Table(str(tmp_path), names="id").pairs("train")) == ["x", "y"]
    said = told(Table(str(tmp_path)))
    assert "line 3: the name '3.png' stands in line 2 already. remove one, or name the" in said


@pytest.mark.parametrize("name", ["", "../x", "/x", "a/../b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path, name):
    write_table(tmp_path, f"1.png,2.png,{name}", header="source,target,id")
    said = told(Table(str(tmp_path), names="id"))
    assert f"line 2: column 'id': '{name}' cannot name a pair" in said


def test_files_outside_of_the_root_have_names_below_it(tmp_path):
    touch(tmp_path / "other" / "1.png", tmp_path / "other" / "2.png", tmp_path / "root" / "3.png")
    write_table(
        tmp_path / "root",
        f"{tmp_path}/other/1.png,../other/1.png",
        f"../other/1.png,{tmp_path}/other/2.png",
        f"../other/1.png,{tmp_path}/root/3.png",
    )
    pairs = Table(str(tmp_path / "root")).pairs("train")
    assert names(pairs) == ["3", "other/1", "other/2"]
    assert pairs[2].b[0].path == f"{tmp_path}/other/2.png"


def test_targets_of_one_name_keep_their_suffix(tmp_path):
    write_table(tmp_path, "s.png,1.png", "s.png,1.jpg")
    touch(tmp_path / "1.jpg")
    assert names(Table(str(tmp_path)).pairs("train")) == ["1.jpg", "1.png"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("sorce,target", "line 1: no column 'source'; did you mean 'sorce'?; the columns are"),
        ("source;target", "no column 'source', 'target'; did you mean 'source;target'?"),
        ("source,target,source", "line 1: the column 'source' stands there twice; rename one"),
    ],
)
def test_a_header_that_does_not_fit_is_told(tmp_path, header, said):
    write_table(tmp_path, "1.png,2.png", header=header)
    assert said in told(Table(str(tmp_path)))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1.png,", "pairs.csv, line 3: the cell of column 'target' is empty"),
        ("1.png", "pairs.csv, line 3: 1 cells, but 2 columns"),
        ("1.png,2.png,3.png", "pairs.csv, line 3: 3 cells, but 2 columns"),
        ("1.png,absent.jpg", "pairs.csv, line 3: column 'target': no such file '"),
    ],
)
def test_a_row_that_does_not_fit_is_told_with_its_line(tmp_path, row, said):
    write_table(tmp_path, "8.png,9.png", row)
    assert said in told(Table(str(tmp_path)))


def test_the_problems_of_a_table_are_told_together(tmp_path):
    write_table(tmp_path, *(f"absent{n}.jpg,1.png" for n in range(8)))
    said = told(Table(str(tmp_path))).splitlines()
    assert said[0].endswith("pairs.csv: 8 problems")
    assert said[1].startswith("  line 2: column 'source': no such file")
    assert said[-1] == "  and 3 more"


def test_a_row_of_another_split_is_not_looked_at(tmp_path):
    write_table(tmp_path, "1.png,2.png,train", "absent,,val", header="source,target,split")
    assert names(Table(str(tmp_path)).pairs("train")) == ["2"]


def test_a_table_that_is_missing_or_empty_or_no_text_is_told(tmp_path):
    layout = Table(str(tmp_path))
    assert "pairs.csv: no such file. write there what belongs together" in told(layout)
    touch(tmp_path / "other.csv")
    assert "holds 'other.csv': name one, as in file = \"other.csv\"" in told(layout)
    touch(tmp_path / "pairs.csv")
    assert "pairs.csv: it is empty" in told(layout)
    (tmp_path / "pairs.csv").write_text("source,target\n")
    assert "no rows under its header" in told(layout)
    (tmp_path / "pairs.csv").write_bytes("source,target\nä,b".encode("latin-1"))
    assert "pairs.csv: not UTF-8 text" in told(layout)
    (tmp_path / "pairs.csv").write_text("source,target\n" + "x" * 200_000)
    assert "pairs.csv: field larger than field limit" in told(layout)


def test_a_table_needs_a_target(tmp_path):
    with pytest.raises(ImtransError, match="'target' names no column"):
        Table(str(tmp_path), target=[])


# Tar files


def two(key="001"):
    return f"{key}.source.png", f"{key}.target.png"


LONG = "folder/" * 20 + "x" * 120
HUGE_NAMES = ["ä" * 60 + "/" + "ß" * 40, LONG, "plain", "sub/plain"]


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_member_is_read_where_the_index_says(tmp_path, format):
    pack(tmp_path / "train-0.tar", *(m for key in HUGE_NAMES for m in two(key)), format=format)
    pairs = Shards(str(tmp_path)).pairs("train")
    assert names(pairs) == sorted(HUGE_NAMES)
    for pair in pairs:
        assert content(pair.a[0]) == pair.a[0].member.encode() == f"{pair.name}.source.png".encode()
        assert content(pair.b[0]) == pair.b[0].member.encode()


@given(
    st.dictionaries(
        st.lists(st.text("abä ", min_size=1, max_size=6), min_size=1, max_size=3).map("/".join),
        st.tuples(st.binary(max_size=2000), st.binary(max_size=2000)),
        min_size=1,
    ),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]),
    st.integers(1, 3),
)
def test_whatever_is_packed_is_found_again(tmp_path_factory, packed, format, shards):
    root = tmp_path_factory.mktemp("shards")
    keys = list(packed)
    for shard in range(shards):
        members = [
            (f"{key}.{side}.png", packed[key][place])
            for key in keys[shard::shards]
            for place, side in enumerate(("source", "target"))
        ]
        pack(root / f"train-{shard}.tar", *members, format=format)
    pairs = Shards(str(root)).pairs("train")
    assert names(pairs) == sorted(packed)
    assert {p.name: (content(p.a[0]), content(p.b[0])) for p in pairs} == packed


def test_a_member_that_holds_both_sides_is_two_halves(tmp_path):
    pack(tmp_path / "train-0.tar", "001.pair.jpg", *two("002"))
    one, other = Shards(str(tmp_path)).pairs("train")
    assert (one.a[0].half, one.b[0].half) == ("left", "right")
    assert one.a[0].offset == one.b[0].offset
    assert other.a[0].half is None


def test_partners_may_lie_in_different_tar_files(tmp_path):
    pack(tmp_path / "train-a.tar", "001.source.png")
    pack(tmp_path / "train-b.tar", "001.target.png")
    pair = Shards(str(tmp_path)).pairs("train")[0]
    assert pair.a[0].path == str(tmp_path / "train-a.tar")
    assert pair.b[0].path == str(tmp_path / "train-b.tar")


def test_what_is_no_side_of_a_pair_is_passed_over(tmp_path):
    more = ("001.json", "001.source.txt", "._001.source.png", ".x/001.source.png", "001.mask.png")
    pack(tmp_path / "train-0.tar", *more, *two())
    pack_special(tmp_path / "train-0.tar", tarfile.DIRTYPE, "sub", "")
    pack_special(tmp_path / "train-0.tar", tarfile.SYMTYPE, "latest.txt", "001.json")
    assert names(Shards(str(tmp_path)).pairs("train")) == ["001"]


def test_what_tar_packs_from_a_folder_is_read(tmp_path):
    touch(*(tmp_path / "data" / "sub" / name for name in two()))
    with tarfile.open(tmp_path / "train-0.tar", "w") as archive:
        archive.add(tmp_path / "data", ".")
    assert names(Shards(str(tmp_path)).pairs("train")) == ["sub/001"]


def test_sides_may_have_any_word_or_be_a_suffix(tmp_path):
    pack(tmp_path / "train-0.tar", "1.photo.png", "1.label.png")
    assert len(Shards(str(tmp_path), source="photo", target="label").pairs("train")) == 1
    pack(tmp_path / "val-0.tar", "1.jpg", "1.png")
    assert len(Shards(str(tmp_path), source="jpg", target="png").pairs("val")) == 1
    assert Shards(str(tmp_path), source="", target="jpg").pairs("val")[0].a == ()


@pytest.mark.parametrize(("source", "target"), [("x", "x"), ("pair", "x"), ("x", "")])
def test_sides_must_be_told_apart(tmp_path, source, target):
    with pytest.raises(ImtransError, match="must be two words"):
        Shards(str(tmp_path), source=source, target=target)


@given(st.sampled_from(["", "f/", "./f/", "f//g/"]), st.sampled_from(["a", "a b"]))
def test_a_key_ends_at_the_first_dot_of_the_file_name(folder, key):
    made, field = split_name(f"{folder}{key}.source.PNG")
    assert made == f"{folder}{key}".replace("./", "").replace("//", "/")
    assert field == "source"


def test_tar_files_may_be_named_by_a_range(tmp_path):
    for number in range(8, 12):
        pack(tmp_path / f"train-{number:03d}.tar", *two(str(number)))
    layout = Shards(str(tmp_path), files="train-{009..011}.tar")
    assert names(layout.pairs("train")) == ["10", "11", "9"]
    assert layout.has("train")
    assert not layout.has("val")
    assert "holds the split 'train' only; 'val' is not there" in told(layout, "val")
    said = told(Shards(str(tmp_path), files="{split}-{010..013}.tar"))
    assert "2 are missing: train-012.tar, train-013.tar" in said
    assert "the range is empty" in told(Shards(str(tmp_path), files="{split}-{2..1}.tar"))


def test_tar_files_may_lie_in_folders_below(tmp_path):
    pack(tmp_path / "[x]" / "train" / "0.tar", *two())
    assert len(Shards(str(tmp_path / "[x]"), files="**/{split}/*.tar").pairs("train")) == 1


def test_missing_tar_files_are_told_with_what_is_there(tmp_path):
    layout = Shards(str(tmp_path))
    assert "train-*.tar: no such file, and no tar file beside it" in told(layout)
    pack(tmp_path / "other.tar", *two())
    assert "holds other.tar: name them in 'files'" in told(layout)
    pack(tmp_path / "train.tar", *two())
    assert 'train.tar is there: use files = "{split}.tar"' in told(layout)


def test_a_member_without_partner_is_refused(tmp_path):
    pack(tmp_path / "train-0.tar", *two("001"), "002.source.png", "003.target.png")
    said = told(Shards(str(tmp_path)))
    assert f"2 members have no partner: {tmp_path}/train-0.tar/002.source.png, " in said
    assert "KEY.source.EXT and KEY.target.EXT or KEY.pair.EXT" in said


def test_a_key_that_stands_twice_is_refused(tmp_path):
    pack(tmp_path / "train-0.tar", *two("001"))
    pack(tmp_path / "train-1.tar", "001.source.jpg")
    said = told(Shards(str(tmp_path)))
    assert "train-1.tar: '001.source.jpg' is one side of '001', and so is " in said
    assert f"{tmp_path}/train-0.tar/001.source.png. remove one" in said


def test_a_tar_file_without_pairs_is_told_with_what_it_holds(tmp_path):
    pack(tmp_path / "train-0.tar", "001.jpg", "001.png")
    said = told(Shards(str(tmp_path)))
    assert "no members KEY.source.EXT or KEY.target.EXT or KEY.pair.EXT" in said
    assert "found '001.jpg', '001.png'" in said
    pack(tmp_path / "train-0.tar")
    assert "it holds no files" in told(Shards(str(tmp_path)))


@pytest.mark.parametrize("name", ["/etc/001.source.png", "a/../../001.source.png", "../x.png"])
def test_a_member_that_leads_elsewhere_is_refused(tmp_path, name):
    pack(tmp_path / "train-0.tar", name)
    said = told(Shards(str(tmp_path)))
    assert f"train-0.tar: '{name}' lies outside of any folder it is unpacked to" in said


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_is_refused(tmp_path, kind):
    pack_special(pack(tmp_path / "train-0.tar", *two("000")), kind)
    said = told(Shards(str(tmp_path)))
    assert "train-0.tar: '001.source.png' is a link to '000.source.png'. pack the files" in said


def test_a_member_that_is_no_file_is_refused(tmp_path):
    pack_special(pack(tmp_path / "train-0.tar", *two("000")), tarfile.FIFOTYPE)
    assert "'001.source.png' is not a plain file" in told(Shards(str(tmp_path)))


@pytest.mark.parametrize(("mode", "kind"), [("w:gz", "gzip"), ("w:bz2", "bzip2"), ("w:xz", "xz")])
def test_a_compressed_tar_file_is_refused(tmp_path, mode, kind):
    with tarfile.open(tmp_path / "train-0.tar", mode):
        pass
    assert f"train-0.tar: compressed with {kind}" in told(Shards(str(tmp_path)))


def test_a_tar_file_cut_off_anywhere_is_refused(tmp_path):
    tar = pack(tmp_path / "train-0.tar", ("001.source.png", b"x" * 700), ("001.target.png", b"y"))
    whole = tar.read_bytes()
    end = 512 * (1 + 2 + 1 + 1)
    for length in [*range(0, end, 97), 512, 1536, 2048, end - 1, end, end + 100]:
        tar.write_bytes(whole[:length])
        said = told(Shards(str(tmp_path)))
        assert "train-0.tar: " in said
        assert "cut off" in said
    # From here on nothing is lost but padding.
    tar.write_bytes(whole[: end + 512])
    assert len(Shards(str(tmp_path)).pairs("train")) == 1


@pytest.mark.parametrize("where", [0, 512 * 4 + 3])
def test_a_damaged_header_is_not_passed_over(tmp_path, where):
    tar = pack(tmp_path / "train-0.tar", *two("001"), *two("002"))
    damaged = bytearray(tar.read_bytes())
    damaged[where] ^= 0xFF
    tar.write_bytes(damaged)
    assert "damaged" in told(Shards(str(tmp_path)))


def test_tar_files_joined_by_cat_are_refused(tmp_path):
    one, other = (pack(tmp_path / f"{key}.tar", *two(key)).read_bytes() for key in ("1", "2"))
    (tmp_path / "train-0.tar").write_bytes(one + other)
    assert "something follows its end, after '1.target.png'" in told(Shards(str(tmp_path)))


def test_pixels_packed_are_pixels_read(tmp_path):
    encoded = io.BytesIO()
    draw_picture(3, (40, 80)).save(encoded, "png")
    pack(tmp_path / "train-0.tar", ("1.source.png", encoded.getvalue()), "1.target.png")
    picture = Shards(str(tmp_path)).pairs("train")[0].a[0]
    with Image.open(io.BytesIO(content(picture))) as image:
        assert image.tobytes() == draw_picture(3, (40, 80)).tobytes()


@pytest.mark.parametrize("named", [{}, {"a": "A", "b": "B"}])
def test_a_file_list_that_is_not_there_is_told_as_one(tmp_path, named):
    for letter in "AB":
        (tmp_path / letter).mkdir()
        draw_picture(1, (8, 8)).save(tmp_path / letter / "1.png")
    with pytest.raises(ImtransError, match=r"val\.txt: no such file list"):
        Folders(str(tmp_path), **named).pairs("val.txt")


def test_a_linked_folder_counts_under_each_of_its_names(tmp_path):
    (tmp_path / "train" / "day").mkdir(parents=True)
    draw_picture(1, (8, 8)).save(tmp_path / "train" / "day" / "1.png")
    (tmp_path / "train" / "night").symlink_to(tmp_path / "train" / "day")
    (tmp_path / "train" / "day" / "loop").symlink_to(tmp_path / "train")
    names = [pair.name for pair in SideBySide(str(tmp_path)).pairs("train")]
    assert names == ["day/1", "night/1"]
