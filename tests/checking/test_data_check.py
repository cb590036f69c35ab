"""The check of a data set: one planted fault at a time is found, its neighbours are not accused.

Files and shapes, and the checks that read headers only.
"""

import io
import re

import numpy as np
import pytest
from PIL import Image
from pixel_files import png16
from planted_pairs import (
    accused,
    findings,
    labels,
    only,
    pair,
    quick_findings,
    texture,
    write,
    write_halves,
    write_set,
)

from imtrans.api.errors import ImtransError
from imtrans.components.layouts.shards import Shards
from imtrans.components.layouts.side_by_side import SideBySide
from imtrans.components.layouts.table import TableLayout


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "set")


@pytest.fixture
def side_by_side(tmp_path):
    return write_halves(tmp_path)


def test_of_a_good_set_only_sizes_and_values_are_reported(root):
    found = findings(root)
    assert accused(found) == {}
    assert [finding.subject for finding in found] == ["sizes", "values"]
    sizes, values = found
    assert sizes.rows[0].detail == "64 x 64 (13)"
    assert re.match(r"0 \.\.\. 255, mean 1\d\d\.?\d*; 0 \.\.\. 255 becomes", values.rows[0].detail)


# Files


def test_a_damaged_file_is_named_and_the_others_are_not(root):
    path = root / "trainA" / "003.png"
    path.write_bytes(path.read_bytes()[:1500])
    (root / "valB" / "011.png").write_bytes(b"no image")
    found = findings(root)
    names = ["trainA/003.png", "valB/011.png"]
    assert accused(found) == {("error", "unreadable"): names}
    assert "damaged image" in only(found, "unreadable").rows[0].detail
    assert only(found, "unreadable").rows[1].detail == "not an image, or one that cannot be read"


def test_a_damaged_file_of_two_halves_is_named_once(tmp_path):
    for number in range(3):
        path = tmp_path / "train" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        texture(number, 64).resize((128, 64)).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    found = findings(tmp_path, SideBySide(str(tmp_path)), layout={"name": "side_by_side"})
    assert accused(found) == {("error", "unreadable"): ["train/2.png"]}


def test_orphans_are_all_listed_and_the_check_goes_on(root):
    (root / "trainB" / "004.png").unlink()
    (root / "valA" / "012.png").unlink()
    Image.new("RGB", (64, 64), "red").save(root / "trainA" / "005.png")
    found = findings(root)
    orphans = [str(root / "trainA" / "004.png"), str(root / "valB" / "012.png")]
    assert only(found, "orphaned").severity == "error"
    assert [row.name for row in only(found, "orphaned").rows] == orphans
    assert [row.name for row in only(found, "constant").rows] == ["trainA/005.png"]


def test_names_in_a_file_list_without_a_partner_are_orphans(root):
    for side in "AB":
        (root / f"train{side}").rename(root / side)
    (root / "A" / "003.png").unlink()
    (root / "some.txt").write_text("001\n002\n003\n")
    found = findings(root, train="some.txt", validation=0.5)
    assert accused(found) == {("error", "orphaned"): [str(root / "B" / "003.png")]}
    assert only(found, "sizes").rows[0].detail == "64 x 64 (2)"


def test_of_a_validation_split_in_which_nothing_fits_the_orphans_are_listed(root):
    for path in (root / "valB").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    found = findings(root)
    assert len(only(found, "orphaned").rows) == 6
    assert only(found, "sizes").rows[0].detail == "64 x 64 (10)"


def test_rows_of_a_table_without_a_file_are_orphans(root):
    lines = [f"trainA/{n:03d}.png,trainB/{n:03d}.png" for n in range(4)]
    lines.insert(2, "trainA/000.png,trainB/999.png")
    (root / "pairs.csv").write_text("\n".join(["source,target", *lines]))
    found = findings(root, TableLayout(str(root)), layout={"name": "table"})
    assert accused(found) == {("error", "orphaned"): [f"{root / 'pairs.csv'}, line 4"]}
    assert "no such file" in only(found, "orphaned").rows[0].detail


def test_files_of_another_depth_are_told_apart_from_damaged_ones(root):
    deep = png16(np.full((64, 64, 3), 300) * np.arange(64)[:, None, None], 2)
    (root / "trainB" / "002.png").write_bytes(deep)
    found = findings(root)
    assert accused(found) == {
        ("error", "unfit"): ["trainB/002.png"],
        ("warning", "mixed"): ["trainB/002.png"],
    }
    detail = "16-bit RGB; the recipe says dtype = 'uint8', channels = 3"
    assert only(found, "unfit").rows[0].detail == detail
    assert only(found, "mixed").message.endswith("has files of 2 kinds: 12 8-bit RGB, 1 16-bit RGB")


def test_a_recipe_of_another_depth_than_the_files_lists_every_file(root):
    found = findings(root, source={"dtype": "uint16"})
    assert len(only(found, "unfit").rows) == 13
    assert only(found, "unfit").severity == "error"


def test_grey_among_colour_is_a_warning_since_training_converts_it(root):
    texture(6).convert("L").save(root / "trainA" / "006.png")
    found = findings(root)
    assert accused(found) == {("warning", "mixed"): ["trainA/006.png"]}
    assert only(found, "mixed").rows[0].detail == "8-bit grey"


@pytest.mark.thorough
def test_transparent_pixels_are_an_error_unless_the_recipe_says_what_becomes_of_them(root):
    clear = texture(7).copy()
    clear.putalpha(Image.linear_gradient("L").resize((64, 64)))
    clear.save(root / "trainA" / "007.png")
    found = findings(root)
    assert accused(found)["error", "transparent"] == ["trainA/007.png"]
    assert "data.source.alpha" in only(found, "transparent").remedy
    explained = accused(findings(root, source={"alpha": "white"}))
    assert explained == {("warning", "mixed"): ["trainA/007.png"]}


def test_values_that_are_not_numbers_are_damage(root):
    for number in range(13):
        split = "train" if number < 10 else "val"
        (root / f"{split}A" / f"{number:03d}.png").unlink()
        values = np.asarray(texture(number), dtype=np.float32) / 255
        if number == 5:
            values[3, 4] = np.nan
        np.save(root / f"{split}A" / f"{number:03d}.npy", values)
    found = findings(root, source={"dtype": "float32", "range": (0.0, 1.0)})
    assert accused(found) == {("error", "unreadable"): ["trainA/005.npy"]}
    assert "NaN" in only(found, "unreadable").rows[0].detail


def test_members_of_tar_files_are_checked_like_files(root, tmp_path):
    import tarfile

    packed = tmp_path / "packed"
    packed.mkdir()
    with tarfile.open(packed / "train-0.tar", "w") as tar:
        for number in range(10):
            for side, role in (("A", "source"), ("B", "target")):
                tar.add(root / f"train{side}" / f"{number:03d}.png", f"{number:03d}.{role}.png")
        damaged = (root / "trainA" / "000.png").read_bytes()[:1000]
        info = tarfile.TarInfo("999.source.png")
        info.size = len(damaged)
        tar.addfile(info, io.BytesIO(damaged))
        tar.add(root / "trainB" / "000.png", "999.target.png")
        tar.add(root / "trainB" / "001.png", "lonely.target.png")
    found = findings(packed, Shards(str(packed)), layout={"name": "shards"})
    assert accused(found) == {
        ("error", "orphaned"): [f"{packed}/train-0.tar/lonely.target.png"],
        ("error", "unreadable"): ["train-0.tar/999.source.png"],
    }


# Shapes


def test_sides_of_two_shapes_are_an_error_but_of_two_sizes_are_not(root):
    write(root, "train", 1, texture(1), labels(texture(1)).resize((64, 48)))
    write(root, "train", 2, texture(2), labels(texture(2)).resize((128, 128)))
    found = findings(root)
    assert accused(found) == {("error", "size"): [pair(1)]}
    assert only(found, "size").rows[0].detail == "source 64 x 64, target 64 x 48"
    assert only(found, "sizes").rows[1].detail == "64 x 64 (11), 64 x 48 (1), 128 x 128 (1)"


def test_an_exif_tag_on_one_side_only_is_reported(root):
    for number in (3, 4):
        for side in ("A", "B"):
            (root / f"train{side}" / f"{number:03d}.png").unlink()
    exif = Image.Exif()
    exif[274] = 6
    for side, number, tag in (("A", 3, exif), ("B", 3, None), ("A", 4, exif), ("B", 4, exif)):
        image = texture(number) if side == "A" else labels(texture(number))
        path = root / f"train{side}" / f"{number:03d}.jpg"
        image.save(path, quality=95, **({"exif": tag} if tag else {}))
    found = accused(findings(root))
    rotated = found["warning", "rotated"]
    assert rotated == ["trainA/003.jpg + trainB/003.jpg"]


def test_a_file_of_two_halves_is_of_another_kind_once(side_by_side):
    folder, checked = side_by_side
    Image.open(folder / "3.jpg").convert("L").save(folder / "3.jpg")
    assert accused(checked()) == {("warning", "mixed"): ["train/3.jpg"]}


@pytest.mark.thorough
def test_an_exif_tag_that_rotates_both_halves_is_reported(side_by_side):
    folder, checked = side_by_side
    assert accused(checked()) == {}
    exif = Image.Exif()
    exif[274] = 3
    Image.open(folder / "2.jpg").save(folder / "2.jpg", exif=exif)
    assert accused(checked()) == {("warning", "rotated"): ["train/2.jpg"]}


# Headers only


def test_headers_alone_show_damage_depth_and_shape(root):
    assert quick_findings(root) == []
    (root / "valB" / "011.png").write_bytes(b"no image")
    write(root, "train", 1, texture(1), labels(texture(1)).resize((64, 48)))
    Image.new("I;16", (64, 64)).save(root / "trainA" / "002.png")
    assert accused(quick_findings(root)) == {
        ("error", "unreadable"): ["valB/011.png"],
        ("error", "unfit"): ["trainA/002.png"],
        ("error", "size"): [pair(1)],
        ("warning", "mixed"): ["trainA/002.png"],
    }


def test_names_alone_show_a_file_that_is_in_training_and_in_validation(root):
    rows = [f"trainA/{n:03d}.png,trainB/{n:03d}.png,train" for n in range(5)]
    rows += ["trainA/003.png,trainB/003.png,val"]
    (root / "pairs.csv").write_text("\n".join(["source,target,split", *rows]))
    found = quick_findings(root, TableLayout(str(root)), layout={"name": "table"})
    assert accused(found) == {("error", "leak"): ["trainB/003"]}


def test_a_training_split_in_which_nothing_fits_together_is_refused(root):
    for path in (root / "trainB").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(ImtransError, match="no name is on both sides"):
        findings(root)
