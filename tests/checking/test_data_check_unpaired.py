"""The check of unpaired pictures: each by itself, and nothing about how the sides fit together."""

import json
import shutil

import pytest
from PIL import Image
from planted_pairs import accused, findings, labels, only, quick_findings, texture

from imtrans.components.layouts.unpaired import Unpaired
from imtrans.recipe.catalog import catalog


def fill(folder, numbers, draw=texture, size=64):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        draw(number).resize((size, size)).save(folder / f"{folder.name}_{number}.png")


def drawing(number):
    return labels(texture(number))


@pytest.fixture
def root(tmp_path):
    """Nine photographs, four drawings of other sizes, and some for validation; nothing wrong."""
    root = tmp_path / "set"
    fill(root / "trainA", range(9))
    fill(root / "trainB", range(20, 24), drawing, 80)
    fill(root / "valA", range(30, 32))
    fill(root / "valB", range(40, 41), drawing, 80)
    (root / "trainB" / "trainB_20.png").unlink()
    drawing(20).resize((120, 64)).save(root / "trainB" / "trainB_20.png")  # of another shape
    return root


@pytest.fixture
def learns_unpaired(monkeypatch):
    """The method of all recipes learns without pairs."""
    monkeypatch.setattr(catalog().methods["pix2pix"].made, "paired", False)


def found(root, **keys):
    return findings(root, Unpaired(str(root)), **{"layout": {"name": "unpaired"}} | keys)


def test_of_a_good_set_every_picture_is_counted_once(root):
    seen = found(root)
    assert accused(seen) == {}
    assert [finding.subject for finding in seen] == ["sizes", "values"]
    assert [row.detail for row in only(seen, "sizes").rows] == [
        "64 x 64 (11)",
        "80 x 80 (4), 120 x 64 (1)",
    ]


def test_faults_of_single_pictures_are_named_once(root):
    (root / "trainB" / "trainB_21.png").write_bytes(b"no image")
    Image.new("RGB", (64, 64), "red").save(root / "trainB" / "trainB_22.png")
    texture(6).convert("L").save(root / "trainA" / "trainA_6.png")
    assert accused(found(root)) == {
        ("error", "unreadable"): ["trainB/trainB_21.png"],
        ("warning", "mixed"): ["trainA/trainA_6.png"],
        ("warning", "constant"): ["trainB/trainB_22.png"],
    }


def test_copies_are_looked_for_on_each_side(root):
    shutil.copy(root / "trainA" / "trainA_3.png", root / "trainA" / "x.png")
    shutil.copy(root / "trainB" / "trainB_23.png", root / "valB" / "x.png")
    shutil.copy(root / "trainA" / "trainA_5.png", root / "trainB" / "other_side.png")
    texture(7).save(root / "trainA" / "y.jpg", quality=90)
    seen = found(root)
    assert accused(seen) == {
        ("error", "leak"): ["valB/x.png"],
        ("warning", "duplicate"): ["trainA/x.png"],
        ("warning", "near-duplicate"): ["trainA/y.jpg"],
    }
    assert only(seen, "leak").message == "1 validation picture is also trained on"
    assert only(seen, "leak").rows[0].detail == "same as trainB/trainB_23.png"
    assert only(seen, "duplicate").message == "1 picture is a copy of another picture"
    assert only(seen, "near-duplicate").message == "1 picture is nearly a copy of another picture"


def test_values_and_palettes_are_measured_on_each_side(root):
    colours = [[0, 0, 0], [255, 0, 0], [0, 255, 0]]  # and not yellow
    seen = found(root, target={"classes": colours}, source={"range": [0.0, 100.0]})
    assert {kind for _, kind in accused(seen)} == {"palette", "range"}
    assert all(row.name.startswith(("trainB", "valB")) for row in only(seen, "palette").rows)
    names = [row.name for row in only(seen, "range").rows]
    assert len(names) == len(set(names)) == 11


def test_label_maps_in_jpeg_are_recognised_on_one_side(tmp_path):
    fill(tmp_path / "trainA", range(5))
    (tmp_path / "trainB").mkdir()
    for number in range(13):
        labels(texture(number, 192)).save(tmp_path / "trainB" / f"{number}.jpg", quality=90)
    assert [row.name for row in only(found(tmp_path), "blurred").rows] == ["target"]


def test_the_quick_check_looks_at_headers_and_not_at_shapes(root):
    keys = {"layout": {"name": "unpaired"}}
    assert quick_findings(root, Unpaired(str(root)), **keys) == []
    (root / "trainA" / "trainA_1.png").write_bytes(b"")
    damaged = quick_findings(root, Unpaired(str(root)), **keys)
    assert accused(damaged) == {("error", "unreadable"): ["trainA/trainA_1.png"]}
    both = {**keys, "validation": "train"}
    rows = only(quick_findings(root, Unpaired(str(root)), **both), "leak").rows
    assert len(rows) == 9 + 4 - 4  # a pair of two known pictures is told by its first


def test_a_folder_of_unpaired_pictures_is_recognised(imtrans, root):
    code, out, _ = imtrans("data", "check", root, "--set", "data.workers=0")
    assert code == 0
    opening = "guessed layout 'unpaired' (it has trainA and trainB, with no name in common)"
    assert f"{opening}: 13 unpaired pictures to train on, 3 for validation" in out
    assert out.splitlines()[-1].startswith("16 unpaired pictures opened in ")
    code, out, _ = imtrans("data", "check", root, "--set", "data.workers=0", "--json")
    told = json.loads(out)
    assert (told["training"], told["validation"], told["unit"]) == (13, 3, "unpaired pictures")


def test_what_a_method_learns_unpaired_is_checked_unpaired(imtrans, tiny_file, learns_unpaired):
    _, out, _ = imtrans("data", "check", tiny_file, "--set", "data.workers=0")
    assert "different shapes" not in out
    assert "12 unpaired pictures to train on, 6 for validation" in out


def test_folders_a_and_b_without_a_common_name_are_unpaired(imtrans, tmp_path):
    fill(tmp_path / "set" / "A", range(3))
    fill(tmp_path / "set" / "B", range(5))
    code, out, _ = imtrans("data", "check", tmp_path / "set", "--set", "data.workers=0")
    assert code == 0
    assert "layout 'unpaired' (it has A and B, with no name in common): 8 unpaired" in out


def test_any_two_unpaired_pictures_are_shown(imtrans, tiny_file, root, learns_unpaired):
    keys = ("--set", f"data.root={root}", "--set", "data.layout=unpaired")
    code, out, _ = imtrans("data", "show", tiny_file, *keys)
    assert (code, out) == (0, "9 of 9 pairs, source | target: tiny-pairs.png\n")
    code, _, _ = imtrans("data", "show", tiny_file, *keys, "--validation")
    assert code == 0


def test_the_loading_of_unpaired_pictures_is_measured(imtrans, tiny_file, root, learns_unpaired):
    keys = ("--set", f"data.root={root}", "--set", "data.layout=unpaired")
    code, out, _ = imtrans("data", "bench", tiny_file, *keys, "--seconds", 0.02)
    assert code == 0
    assert "a sample, from the cache" in out
