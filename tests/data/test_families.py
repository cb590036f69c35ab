"""Families of names: which names come in pairs, and which only seem to."""

from itertools import product
from time import process_time

import pytest
from stored_pairs import touch

from imtrans.components.layouts.folders import Folders
from imtrans.data.families.find import find_family
from imtrans.data.families.words import role


def names(pattern, *parts):
    return [pattern.format(*found) for found in product(*parts)]


FEW = range(1, 9)
PAIRED = {
    "ends": (names("{}_real_{}.png", FEW, "AB"), "{name}_real_A.png", "{name}_real_B.png"),
    "stains": (names("img_{:03d}_{}.png", FEW, ["he", "ihc"]), "{name}_he.png", "{name}_ihc.png"),
    "beginnings": (names("{1}_{0}.tif", FEW, ["he", "ihc"]), "he_{name}.tif", "ihc_{name}.tif"),
    "folders": (
        names("{1}/{0}.jpg", FEW, ["photos", "labels"]),
        "labels/{name}.jpg",
        "photos/{name}.jpg",
    ),
    "subjects": (
        names("sub-{:02d}/ses-{}/{}/{}.png", FEW, (1, 2), ["photos", "labels"], (1, 2)),
        "*/*/labels/{name}.png",
        "*/*/photos/{name}.png",
    ),
    "splits": (
        names("{}/{}/{}.png", ["train", "val"], ["in", "out"], FEW),
        "{split}/in/{name}.png",
        "{split}/out/{name}.png",
    ),
    "splits in the folders' names": (
        names("{}_{}/{}.png", ["Train", "Test"], ["images", "masks"], FEW),
        "{split}_masks/{name}.png",
        "{split}_images/{name}.png",
    ),
    "one side with an end": (
        names("{}{}.png", ["cat", "red bird", "ox"], ["", "_mask"]),
        "{name}_mask.png",
        "{name}.png",
    ),
    "a folder and an end": (
        [f"{a}/{n}{b}.png" for n in FEW for a, b in (("images", ""), ("masks", "_mask"))],
        "masks/{name}_mask.png",
        "images/{name}.png",
    ),
    "a folder below the other side": (
        [path for n in FEW for path in (f"{n}.jpg", f"masks/{n}.png")],
        "masks/{name}.png",
        "{name}.jpg",
    ),
    "a folder for every pair": (
        names("{:04d}/{}.png", FEW, ["input", "target"]),
        "{name}/input.png",
        "{name}/target.png",
    ),
    "a folder for every pair, in folders": (
        names("day {}/{:04d}/{}.png", (1, 2), FEW, ["before", "after"]),
        "*/{name}/before.png",
        "*/{name}/after.png",
    ),
    "any depth": (
        [f"{'x/' * (n % 3)}{side}/{n}.png" for n in FEW for side in ("day", "night")],
        "**/day/{name}.png",
        "**/night/{name}.png",
    ),
    "several extensions": (
        [f"{n}_{side}.{'jpg' if n % 2 else 'JPG'}" for n in FEW for side in ("lr", "hr")],
        "{name}_lr.*",
        "{name}_hr.*",
    ),
    "wells, whose letters are no sides": (
        names("{}{:02d}_{}.tif", "AB", FEW, ["brightfield", "DAPI"]),
        "{name}_brightfield.tif",
        "{name}_DAPI.tif",
    ),
    "numbered wavelengths": (
        names("x_{}{:02d}_s{}_w{}.TIF", "AB", FEW, (1, 2), (1, 2)),
        "{name}_w1.TIF",
        "{name}_w2.TIF",
    ),
    "contrasts": (
        names("sub-{0:02d}/sub-{0:02d}_{1}.tif", FEW, ["T1w", "T2w"]),
        "*/{name}_T1w.tif",
        "*/{name}_T2w.tif",
    ),
}


@pytest.mark.parametrize("case", PAIRED)
def test_names_that_come_in_pairs_are_recognised(tmp_path, case):
    paths, a, b = PAIRED[case]
    family = find_family(paths)
    assert [side.pattern for side in family.sides] == [a, b]
    assert 2 * family.names == len(paths)
    # The patterns find what the family is.
    touch(*(tmp_path / path for path in paths))
    layout = Folders(str(tmp_path), a=a, b=b)
    found = sum(len(layout.pairs(split)) for split in family.splits or ("train",))
    assert found == family.names


@pytest.mark.parametrize(
    "paths",
    [
        names("IMG_{:04d}.jpg", range(50)),
        names("{}/{:04d}.jpg", ["rose", "tulip", "daisy", "lily"], FEW),
        names("sub-{:02d}/{:03d}.png", (1, 2), FEW),
        names("{}/{}.png", (2021, 2022), FEW),
        names("{}/{}.png", ["train", "val"], FEW),
        [f"{n}_{'he' if n % 9 else 'ihc'}.png" for n in range(50)],
        ["a.png"],
        [],
    ],
)
def test_names_that_only_seem_to_come_in_pairs_are_left_alone(paths):
    assert find_family(paths) is None


def test_further_sides_are_named_after_those_that_are_taken():
    sides = [("leftImg8bit", "leftImg8bit")]
    sides += [("gtFine", f"gtFine_{kind}") for kind in ("color", "labelIds", "instanceIds")]
    family = find_family(
        f"{folder}/{split}/{city}/{city}_{n}_{end}.png"
        for split in ("train", "val")
        for city in ("bonn", "ulm")
        for n in FEW
        for folder, end in sides
    )
    assert family.sides[0].pattern == "gtFine/{split}/*/{name}_gtFine_labelIds.png"
    assert family.sides[1].pattern == "leftImg8bit/{split}/*/{name}_leftImg8bit.png"
    assert {side.word for side in family.sides[2:]} == {"gtFine_color", "gtFine_instanceIds"}
    assert family.splits == ("train", "val")
    assert family.known
    assert "32 names have 4 files each" in family.text


def test_some_missing_partners_do_not_hide_a_family():
    paths = names("{}_{}.png", range(20), ["he", "ihc"])[:-5]
    assert find_family(paths).names == 17


def test_a_family_of_very_many_names_is_found_in_a_moment():
    paths = names("{:07d}_{}.png", range(100_000), ["he", "ihc"])
    begun = process_time()
    family = find_family(paths)
    assert process_time() - begun < 5
    assert [side.pattern for side in family.sides] == ["{name}_he.png", "{name}_ihc.png"]
    assert "most names come in pairs" in family.text


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *(("A", "B"), ("he", "ihc"), ("labels", "photos"), ("mask", "image"), ("in", "out")),
        *(("gtFine_labelIds", "leftImg8bit"), ("T1w", "T2w"), ("lr", "hr"), ("rain", "norain")),
    ],
)
def test_words_say_which_side_is_usually_the_source(source, target):
    assert role(source) > 0 > role(target)
