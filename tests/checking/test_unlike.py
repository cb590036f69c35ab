"""Pictures unlike the others of their side, equal sides, and sides of one colour are found."""

import io

import numpy as np
import torch
from PIL import Image
from planted_faults import blue_first, cut_off, dark, grey
from planted_pairs import accused, findings, labels, only, pair, texture, write

COUNT = 24


def plant(root, changes):
    """What is found in a set in which files are changed: (side, number) -> change."""
    for number in range(COUNT):
        write(root, "train", number)
    for (side, number), change in changes.items():
        path = root / f"train{side}" / f"{number:03d}.png"
        image = torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)
        Image.fromarray(change(image).permute(1, 2, 0).numpy()).save(path)
    return findings(root)


def test_pictures_unlike_the_others_are_named_with_their_mistake_and_no_others(tmp_path):
    changes = {
        ("A", 3): (dark, "dark", "its brightest parts have level"),
        ("A", 9): (grey, "grey", "its channels are equal"),
        ("B", 12): (cut_off, "cut-off", "the lower 50% are of one colour"),
        ("B", 17): (blue_first, "miscoloured", "with red and blue exchanged they would be usual"),
    }
    found = plant(tmp_path, {at: change for at, (change, _, _) in changes.items()})
    named = accused(found)
    for (side, number), (_, subject, words) in changes.items():
        assert named.pop(("warning", subject)) == [f"train{side}/{number:03d}.png"]
        assert words in only(found, subject).rows[0].detail
    assert named == {}


def test_what_many_pictures_have_is_no_mistake(tmp_path):
    many = {
        ("A", number): lambda image: cut_off(dark(grey(image))) for number in range(0, COUNT, 2)
    }
    assert accused(plant(tmp_path, many)) == {}


def test_a_source_that_is_its_target_is_named_also_when_saved_again(tmp_path):
    for number in range(COUNT):
        write(tmp_path, "train", number)
    photo = texture(3)
    again = io.BytesIO()
    photo.save(again, "JPEG", quality=85)
    write(tmp_path, "train", 3, photo, photo)
    write(tmp_path, "train", 4, photo.rotate(90), Image.open(again).rotate(90))
    found = only(findings(tmp_path), "equal-sides")
    assert found.severity == "warning"
    assert [row.name for row in found.rows] == [pair(3), pair(4)]
    assert found.rows[0].detail == "its sides are equal"
    assert "of their contrast, those of most pairs by" in found.rows[1].detail


def test_equal_sides_in_all_pairs_are_an_error_and_nearly_equal_ones_are_a_task(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(10):
        write(tmp_path / "equal", "train", number, target=texture(number))
        noisy = np.array(texture(number)) + draw.normal(0, 6, (64, 64, 3))
        noisy = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
        write(tmp_path / "noisy", "train", number, noisy, texture(number))
    assert only(findings(tmp_path / "equal"), "equal-sides").severity == "error"
    assert accused(findings(tmp_path / "noisy")) == {}


def test_a_side_of_nothing_but_one_colour_is_an_error(tmp_path):
    for number in range(4):
        write(tmp_path, "train", number, target=Image.new("RGB", (64, 64)))
    found = only(findings(tmp_path), "constant")
    assert found.severity == "error"
    assert [row.name for row in found.rows] == [f"trainB/{number:03d}.png" for number in range(4)]
    write(tmp_path, "train", 4, target=labels(texture(4)))
    assert only(findings(tmp_path), "constant").severity == "warning"
