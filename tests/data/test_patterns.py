"""Pairs found by patterns of their names, and folders of results that no layout reads."""

import pytest
from stored_pairs import names, told, touch

from imtrans.api.errors import ImtransError
from imtrans.api.patterns import Pattern
from imtrans.api.pictures import find_images
from imtrans.components.layouts.folders import Folders
from imtrans.components.layouts.photos import Photos
from imtrans.data.pairs import split_pairs
from imtrans.host.files import mark
from imtrans.recipe.schema import DataTable


def files_of(pairs, root):
    return [
        (pair.name, *(str(side[0].path).removeprefix(f"{root}/") for side in (pair.a, pair.b)))
        for pair in pairs
    ]


SETS = {
    "suffixes": (
        ("{name}_he.png", "{name}_ihc.png"),
        ["img_2_he.png", "img_2_ihc.png", "img_1_he.png", "img_1_ihc.png"],
        ["img_1", "img_2"],
    ),
    "one side without a suffix": (
        ("{name}.jpg", "{name}_mask.jpg"),
        ["cat.jpg", "cat_mask.jpg", "dog.jpg", "dog_mask.jpg"],
        ["cat", "dog"],
    ),
    "any number of folders": (
        ("**/photos/{name}.*", "**/labels/{name}.*"),
        ["x/y/photos/1.JPG", "x/y/labels/1.png", "photos/1.jpg", "labels/1.png"],
        ["1", "x/y/1"],
    ),
    "folders of subjects, whose files have the same names": (
        ("*/*/photos/{name}.*", "*/*/labels/{name}.*"),
        [f"sub-0{n}/ses-1/{side}/001.png" for n in (1, 2) for side in ("photos", "labels")],
        ["sub-01/ses-1/001", "sub-02/ses-1/001"],
    ),
    "a folder that names the pair": (
        ("{name}/input.png", "{name}/target.png"),
        ["7/input.png", "7/target.png", "8/input.png", "8/target.png"],
        ["7", "8"],
    ),
    "a folder whose name is repeated in the file": (
        ("{name}/{name}_t1", "{name}/{name}_t2"),
        ["s1/s1_t1.tif", "s1/s1_t2.tif", "s2/s2_t1.tif", "s2/s2_t2.tif"],
        ["s1", "s2"],
    ),
    "wildcards on one side only": (
        ("scans/{name}.png", "*/*/labels/{name}.png"),
        ["scans/1.png", "scans/2.png", "a/b/labels/1.png", "c/d/labels/2.png"],
        ["1", "2"],
    ),
    "text of a file's name that differs": (
        ("{name}_in_*.png", "{name}_out_*.png"),
        ["1_in_0907.png", "1_out_1830.png"],
        ["1"],
    ),
    "a folder beside a pattern": (
        ("scans", "marks/{name}_seg.png"),
        ["scans/1.png", "marks/1_seg.png"],
        ["1"],
    ),
}


@pytest.mark.parametrize("stored", SETS)
def test_partners_are_found_by_patterns(tmp_path, stored):
    (a, b), files, expected = SETS[stored]
    touch(*(tmp_path / file for file in files))
    pairs = Folders(str(tmp_path), a=a, b=b).pairs("train")
    assert names(pairs) == expected
    assert {name for _, *both in files_of(pairs, tmp_path) for name in both} == set(files)
    for pair in pairs:
        assert pair.a[0].path != pair.b[0].path


def test_a_pattern_may_hold_the_split(tmp_path):
    for split in ("train", "val"):
        touch(*(tmp_path / split / f"{split}_1_{side}.png" for side in "xy"))
    layout = Folders(str(tmp_path), a="{split}/{name}_x.png", b="{split}/{name}_y.png")
    assert names(layout.pairs("val")) == ["val_1"]
    assert layout.has("train")
    assert layout.has("val")
    assert not layout.has("test")
    without = Folders(str(tmp_path), a="train/{name}_x.png", b="train/{name}_y.png")
    assert without.has("train")
    assert not without.has("val")
    assert "hold the split 'train' only" in told(without, "val")


def test_a_share_and_a_list_of_names_pick_from_patterns(tmp_path):
    touch(*(tmp_path / f"{n:02d}_{side}.png" for n in range(20) for side in "xy"))
    (tmp_path / "some.txt").write_text("03\n04\n")
    layout = Folders(str(tmp_path), a="{name}_x.png", b="{name}_y.png")
    training, validation = split_pairs(
        layout, DataTable(root=str(tmp_path), layout="folders", validation=0.1), 0
    )
    assert (len(training), len(validation)) == (18, 2)
    assert names(layout.pairs("some.txt")) == ["03", "04"]


def test_missing_partners_of_patterns_are_named(tmp_path):
    touch(*(tmp_path / f"{n}_he.png" for n in range(3)), tmp_path / "0_ihc.png")
    said = told(Folders(str(tmp_path), a="{name}_he.png", b="{name}_ihc.png"))
    assert "{name}_he.png: 2 images have no partner in " in said
    assert said.endswith(
        "{name}_ihc.png: 1_he.png, 2_he.png. add the missing files, or remove these"
    )


def test_two_files_of_one_name_are_both_named(tmp_path):
    touch(*(tmp_path / name for name in ("x/1_a.png", "y/1_a.png", "b/1.png")))
    said = told(Folders(str(tmp_path), a="*/{name}_a.png", b="b/{name}.png"))
    assert "a name appears twice: x/1_a.png and y/1_a.png. pairs are matched by {name}" in said


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("*_he.png", "*_ihc.png", 'write {name} there, as in "{name}_he.png"'),
        ("{name}_{stain}.png", "{name}_ihc.png", "'{stain}' in '{name}_{stain}.png' is not known"),
        ("x**/{name}.png", "{name}_ihc.png", "** means any number of folders"),
        ("{name}_he.png", "{name}_IHC.png", "no image has such a name. there are 1_he.png, 1_ihc"),
        ("no/{name}.png", "{name}_ihc.png", "no: no such folder"),
        ("{name}.png", "{name}.png", "are the same files"),
        (".", ".", "a = '.' and b = '.' are the same files"),
    ],
)
def test_patterns_that_find_no_pairs_are_explained(tmp_path, a, b, said):
    touch(tmp_path / "1_he.png", tmp_path / "1_ihc.png")
    assert said in told(Folders(str(tmp_path), a=a, b=b))


def test_what_a_pattern_says_without_reading_a_folder():
    pattern = Pattern("root", "sub-*/**/photos/{name}_v*.png")
    assert pattern.folder.as_posix() == "root"
    assert pattern.match("sub-1/x/y/photos/a_v2.png").whole == "1/x/y/a"
    assert pattern.match("sub-1/photos/a_v2.png").name == "a"
    assert pattern.match("photos/a_v2.png") is None
    assert Pattern("root", "fixed/{name}").match("a.b.png").name == "a.b"
    with pytest.raises(ImtransError):
        Pattern("root", "fixed")


# Results of a translation


def test_folders_of_results_below_the_data_are_no_data(tmp_path):
    touch(tmp_path / "train" / "1.png", tmp_path / "train" / "1-maps" / "1.png")
    assert names(Photos(str(tmp_path)).pairs("train")) == ["1", "1-maps/1"]
    mark(tmp_path / "train" / "1-maps")
    assert names(Photos(str(tmp_path)).pairs("train")) == ["1"]


def test_results_are_read_where_they_are_named_themselves(tmp_path):
    touch(tmp_path / "1.png")
    mark(tmp_path)
    assert find_images(tmp_path) == ["1.png"]


def test_a_fetched_set_below_the_root_is_data(tmp_path):
    touch(tmp_path / "maps" / "1.png")
    (tmp_path / "maps" / ".imtrans").write_text("maps\n")
    assert find_images(tmp_path) == ["maps/1.png"]
