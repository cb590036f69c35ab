"""The check of a data set, by what the pixels show: values, copies, labels, alignment."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from planted_pairs import (
    accused,
    findings,
    halves,
    labels,
    only,
    pair,
    texture,
    write,
    write_halves,
    write_set,
)

from imtrans.checking.data import pairing
from imtrans.checking.data.alignment import Shift
from imtrans.components.layouts.photos import Photos
from imtrans.components.layouts.side_by_side import SideBySide


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "set")


@pytest.fixture
def side_by_side(tmp_path):
    return write_halves(tmp_path)


# Values


def test_half_a_file_of_one_colour_is_found_though_the_other_half_bleeds_into_it(side_by_side):
    folder, checked = side_by_side
    halves(texture(1, 128), Image.new("RGB", (128, 128), "blue")).save(folder / "1.jpg")
    found = checked()
    assert accused(found) == {("warning", "constant"): ["train/1.jpg"]}
    assert only(found, "constant").rows[0].detail.startswith("target: one colour")


def test_pictures_of_one_colour_are_named(root):
    # What JPEG makes of one colour is one colour still.
    Image.new("RGB", (64, 64), (10, 20, 30)).save(root / "trainB" / "008.png")
    grey = np.full((64, 64, 3), 200, np.uint8)
    grey[::2] += 1
    Image.fromarray(grey).save(root / "valB" / "010.png")
    found = findings(root)
    assert accused(found) == {("warning", "constant"): ["trainB/008.png", "valB/010.png"]}
    assert "200 ... 201" in only(found, "constant").rows[1].detail


def test_values_outside_the_range_are_a_warning_and_most_of_them_an_error(root):
    some = findings(root, source={"range": (0.0, 240.0)})
    assert only(some, "range").severity == "warning"
    assert len(only(some, "range").rows) <= 13
    most = findings(root, source={"range": (0.0, 1.0)})
    assert only(most, "range").severity == "error"
    assert "outside of its range 0 ... 1" in only(most, "range").message
    assert [row.name for row in only(most, "range").rows][0].startswith(("trainA/", "valA/"))


def test_a_set_that_uses_a_small_part_of_its_range_gets_the_range_to_set(root):
    for number in range(13):
        split = "train" if number < 10 else "val"
        values = np.asarray(labels(texture(number)))[:, :, 0] // 255 + number % 5
        Image.fromarray(values.astype(np.uint8)).save(root / f"{split}B" / f"{number:03d}.png")
    found = findings(root, target={"channels": 1})
    assert accused(found)["warning", "narrow"] == ["target"]
    assert "data.target.range = [0.0, 5.0]" in only(found, "narrow").remedy


# Copies


def test_a_copy_of_a_pair_is_found_with_its_original(root):
    write(root, "train", 50, texture(2))
    found = findings(root)
    assert accused(found) == {("warning", "duplicate"): [pair(50)]}
    assert only(found, "duplicate").rows[0].detail == f"same as {pair(2)}"


def saved_again(image):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize(
    "change",
    [
        saved_again,
        lambda image: image.resize((48, 48), Image.Resampling.BICUBIC),
        lambda image: image.point(lambda value: value + 12),
    ],
    ids=["saved again", "resized", "brighter"],
)
def test_a_pair_that_is_nearly_another_is_found(root, change):
    write(root, "train", 50, change(texture(2)), change(labels(texture(2))))
    found = findings(root)
    assert accused(found) == {("warning", "near-duplicate"): [pair(50)]}
    assert only(found, "near-duplicate").rows[0].detail.startswith(f"nearly {pair(2)}")


def test_equal_drawings_of_different_photographs_are_no_copies(root):
    flat = Image.new("RGB", (64, 64), "white")
    flat.paste("black", (20, 20, 40, 22))
    for number in range(4):  # of one brightness, so that it does not tell them apart
        write(root, "train", number, texture(50).rotate(90 * number), flat)
    assert accused(findings(root)) == {}


def test_one_source_with_several_targets_is_reported(root):
    write(root, "train", 50, texture(2), labels(texture(77)))
    found = accused(findings(root))
    assert found["warning", "ambiguous"] == [pair(50)]
    assert ("warning", "duplicate") not in found


@pytest.mark.parametrize(
    ("photo", "target", "detail"),
    [(4, 4, "the pair of"), (4, 99, "the source of"), (None, None, "nearly")],
    ids=["pair", "source", "near"],
)
def test_a_training_pair_in_validation_is_an_error_and_a_near_copy_a_warning(
    root, photo, target, detail
):
    if photo is None:
        write(root, "val", 50, saved_again(texture(4)), saved_again(labels(texture(4))))
    else:
        write(root, "val", 50, texture(photo), labels(texture(target)))
    found = findings(root)
    key = "near-leak" if photo is None else "leak"
    assert accused(found)[only(found, key).severity, key] == [pair(50, "val")]
    assert only(found, key).severity == ("warning" if photo is None else "error")
    assert only(found, key).rows[0].detail.startswith(f"{detail} {pair(4)}")
    assert ("warning", "duplicate") not in accused(found)


def test_a_target_that_is_in_training_and_in_validation_is_a_leak(root):
    for number in range(13):
        split = "train" if number < 10 else "val"
        write(root, split, number, labels(texture(number)), texture(number))
    write(root, "val", 11, labels(texture(60)), texture(5))
    found = findings(root)
    assert accused(found)["error", "leak"] == [pair(11, "val")]


def test_photographs_alone_are_compared_by_their_targets(tmp_path):
    for number in range(12):
        split = "train" if number < 9 else "val"
        path = tmp_path / split / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        texture(number if number != 10 else 3).save(path)
    texture(5).save(tmp_path / "train" / "again.png")
    keys = {"layout": {"name": "photos"}, "derive": {"name": "grayscale"}}
    found = findings(tmp_path, Photos(str(tmp_path)), **keys)
    assert accused(found) == {
        ("error", "leak"): ["val/10.png"],
        ("warning", "duplicate"): ["train/again.png"],
    }


# Labels

PALETTE = [[0, 0, 0], [255, 0, 0], [0, 255, 0], [255, 255, 0]]


def test_colours_outside_the_palette_are_reported_per_file(root):
    target = {"classes": PALETTE, "resample": "nearest"}
    clean = findings(root, target=target)
    assert accused(clean) == {}
    (mapped,) = (row.detail for row in only(clean, "values").rows if row.name == "target")
    assert mapped.endswith("; each of 4 classes becomes a channel")
    odd = np.array(labels(texture(3)))
    odd[:8, :8] = (0, 0, 255)
    Image.fromarray(odd).save(root / "trainB" / "003.png")
    found = findings(root, target=target)
    assert accused(found) == {("warning", "palette"): ["trainB/003.png"]}
    assert only(found, "palette").rows[0].detail == "1.6% of its pixels, most often [0, 0, 255]"


def test_another_palette_than_the_files_is_an_error(root):
    classes = [[90, 90, 90], [0, 0, 255]]
    found = findings(root, target={"classes": classes})
    assert only(found, "palette").severity == "error"
    assert len(only(found, "palette").rows) == 13


def test_labels_in_jpeg_give_one_note_with_their_classes(root):
    for number in range(13):
        split = "train" if number < 10 else "val"
        path = root / f"{split}B" / f"{number:03d}.png"
        labels(texture(number, 192)).save(path.with_suffix(".jpg"), quality=90)
        path.unlink()
    found = findings(root)
    assert accused(found) == {}
    listed = re.search(r"classes = (\[\[.*\]\])", only(found, "blurred").remedy)[1]
    colours = [
        [int(n) for n in colour.split(",")] for colour in re.findall(r"\[([\d, ]+)\]", listed)
    ]
    assert len(colours) == len(PALETTE)
    for colour in PALETTE:
        assert min(np.abs(np.array(colours) - colour).max(1)) <= 3


def test_photographs_in_jpeg_are_no_labels(tmp_path):
    for number in range(12):
        for side in "AB":
            path = tmp_path / f"train{side}" / f"{number}.jpg"
            path.parent.mkdir(exist_ok=True)
            texture(number + 100 * (side == "B")).save(path, quality=90)
    assert "blurred" not in [finding.subject for finding in findings(tmp_path)]


# Whether the sides belong together, as it is reported; test_alignment.py tests what is found


def test_a_shift_is_reported_in_px_of_the_stored_target_and_of_the_right_pair(root, monkeypatch):
    for number in (2, 3):
        write(root, "train", number, texture(number), labels(texture(number, 512)))
    (root / "trainA" / "000.png").write_bytes(b"no image")  # so that places and pairs differ
    monkeypatch.setattr(pairing, "misaligned", lambda evidences: {1: Shift(5, -2.4, 9.0)})
    monkeypatch.setattr(pairing, "swapped", lambda evidences: [len(evidences) - 1])
    monkeypatch.setattr(pairing, "common_shift", lambda correspondence: Shift(0.2, 3.0, 5.0))
    found = findings(root)
    row = only(found, "misaligned").rows[0]
    assert row.name == pair(2)
    assert row.detail == "shifted about 10 px to the right and 5 px up"
    assert [row.name for row in only(found, "swapped").rows] == [pair(12, "val")]
    assert only(found, "shifted").rows[0].detail == "targets are shifted about 3 px down"
    assert only(found, "shifted").message == "targets are shifted about 3 px down, in the whole set"
    assert only(found, "shifted").remedy == "shift them back, or results will be blurred"
    grave = {key: only(found, key).severity for key in ("misaligned", "swapped", "shifted")}
    assert grave == {"misaligned": "error", "swapped": "error", "shifted": "warning"}


@pytest.mark.parametrize("count", [1, 2])
def test_the_alignment_of_one_or_two_pairs_is_not_evaluated(tmp_path, count):
    for number in range(count):
        write(tmp_path, "train", number)
    assert findings(tmp_path)[0].severity == "note"


@pytest.mark.thorough
def test_real_pairs_that_are_shifted_or_swapped_are_named(real_data, tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    for number, path in enumerate(sorted((real_data / "facades" / "train").iterdir())[:80]):
        image = Image.open(path).convert("RGB")
        left, right = image.crop((0, 0, 256, 256)), image.crop((256, 0, 512, 256))
        if number == 7:
            left, right = right, left
        if number == 11:
            left = Image.fromarray(np.roll(np.asarray(left), (9, -7), (0, 1)))
        halves(left, right).save(folder / f"{number:02d}.png")
    layout = {"layout": {"name": "side_by_side"}, "direction": "BtoA"}
    found = findings(tmp_path, SideBySide(str(tmp_path)), **layout)
    assert [row.name for row in only(found, "swapped").rows] == ["train/07.png"]
    shifted = {row.name: row.detail for row in only(found, "misaligned").rows}
    assert "train/11.png" in shifted
    assert re.search(r"about \d px to the left and \d+ px down", shifted["train/11.png"])
