"""The check of a data set: one planted fault at a time is found, and its neighbours are not
accused."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from pixel_files import png16
from planted_pairs import accused, findings, labels, quick_findings, texture, write, write_set

from imtrans.components.photos import Photos
from imtrans.components.shards import Shards
from imtrans.components.side_by_side import SideBySide
from imtrans.components.table import Table
from imtrans.data.checking import pairing
from imtrans.data.checking.alignment import Shift
from imtrans.errors import ImtransError


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "set")


def pair(number, split="train"):
    return f"{split}A/{number:03d}.png + {split}B/{number:03d}.png"


def only(found, key):
    (finding,) = [finding for finding in found if finding.key == key]
    return finding


def test_of_a_good_set_sizes_and_values_are_told_and_nothing_else(root):
    found = findings(root)
    assert accused(found) == {}
    assert [finding.key for finding in found] == ["sizes", "values"]
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


def test_names_in_a_file_list_without_partner_are_orphans(root):
    for side in "AB":
        (root / f"train{side}").rename(root / side)
    (root / "A" / "003.png").unlink()
    (root / "some.txt").write_text("001\n002\n003\n")
    found = findings(root, train="some.txt", validation=0.5)
    assert accused(found) == {("error", "orphaned"): [str(root / "B" / "003.png")]}
    assert only(found, "sizes").rows[0].detail == "64 x 64 (2)"


def test_of_a_split_held_out_in_which_nothing_fits_the_orphans_are_listed(root):
    for path in (root / "valB").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    found = findings(root)
    assert len(only(found, "orphaned").rows) == 6
    assert only(found, "sizes").rows[0].detail == "64 x 64 (10)"


def test_rows_of_a_table_without_file_are_orphans(root):
    lines = [f"trainA/{n:03d}.png,trainB/{n:03d}.png" for n in range(4)]
    lines.insert(2, "trainA/000.png,trainB/999.png")
    (root / "pairs.csv").write_text("\n".join(["source,target", *lines]))
    found = findings(root, Table(str(root)), layout={"name": "table"})
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
    said = "16-bit RGB; the recipe says dtype = 'uint8', channels = 3"
    assert only(found, "unfit").rows[0].detail == said
    assert only(found, "mixed").title.endswith("has files of 2 kinds: 12 8-bit RGB, 1 16-bit RGB")


def test_a_recipe_of_another_depth_than_the_files_is_told_of_every_file(root):
    found = findings(root, source={"dtype": "uint16"})
    assert len(only(found, "unfit").rows) == 13
    assert only(found, "unfit").severity == "error"


def test_grey_among_colour_is_a_warning_since_training_takes_it(root):
    texture(6).convert("L").save(root / "trainA" / "006.png")
    found = findings(root)
    assert accused(found) == {("warning", "mixed"): ["trainA/006.png"]}
    assert only(found, "mixed").rows[0].detail == "8-bit grey"


def test_transparent_pixels_that_nobody_explained_are_an_error(root):
    clear = texture(7).copy()
    clear.putalpha(Image.linear_gradient("L").resize((64, 64)))
    clear.save(root / "trainA" / "007.png")
    found = findings(root)
    assert accused(found)["error", "transparent"] == ["trainA/007.png"]
    assert "data.source.alpha" in only(found, "transparent").remedy
    explained = accused(findings(root, source={"alpha": "white"}))
    assert explained == {("warning", "mixed"): ["trainA/007.png"]}


def test_values_that_are_no_numbers_are_damage(root):
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


def test_an_exif_tag_on_one_side_only_is_told(root):
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


def halves(left, right):
    both = Image.new("RGB", (left.width * 2, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def test_a_file_of_two_halves_is_of_another_kind_once(side_by_side):
    folder, checked = side_by_side
    Image.open(folder / "3.jpg").convert("L").save(folder / "3.jpg")
    assert accused(checked()) == {("warning", "mixed"): ["train/3.jpg"]}


@pytest.fixture
def side_by_side(tmp_path):
    """Four files of two halves in JPEG, and how they are checked."""
    for number in range(4):
        path = tmp_path / "train" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        halves(texture(number, 128), labels(texture(number, 128))).save(path, quality=90)
    layout = {"layout": {"name": "side_by_side"}}
    return tmp_path / "train", lambda: findings(tmp_path, SideBySide(str(tmp_path)), **layout)


def test_an_exif_tag_that_turns_both_halves_is_told(side_by_side):
    folder, checked = side_by_side
    assert accused(checked()) == {}
    exif = Image.Exif()
    exif[274] = 3
    Image.open(folder / "2.jpg").save(folder / "2.jpg", exif=exif)
    assert accused(checked()) == {("warning", "rotated"): ["train/2.jpg"]}


# Values


def test_half_a_file_of_one_colour_is_told_though_the_other_half_bleeds_into_it(side_by_side):
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
    assert "outside of its range 0 ... 1" in only(most, "range").title
    assert [row.name for row in only(most, "range").rows][0].startswith(("trainA/", "valA/"))


def test_a_set_that_uses_a_small_part_of_its_range_is_told_the_range_to_set(root):
    for number in range(13):
        split = "train" if number < 10 else "val"
        values = np.asarray(labels(texture(number)))[:, :, 0] // 255 + number % 5
        Image.fromarray(values.astype(np.uint8)).save(root / f"{split}B" / f"{number:03d}.png")
    found = findings(root, target={"channels": 1})
    assert accused(found)["warning", "narrow"] == ["target"]
    assert "data.target.range = [0.0, 5.0]" in only(found, "narrow").remedy


# Copies


def test_a_copy_of_a_pair_is_found_and_said_whose(root):
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


def test_one_source_with_several_targets_is_told(root):
    write(root, "train", 50, texture(2), labels(texture(77)))
    found = accused(findings(root))
    assert found["warning", "ambiguous"] == [pair(50)]
    assert ("warning", "duplicate") not in found


@pytest.mark.parametrize(
    ("photo", "target", "said"),
    [(4, 4, "the pair of"), (4, 99, "the source of"), (None, None, "nearly")],
    ids=["pair", "source", "near"],
)
def test_what_is_trained_on_and_held_out_is_an_error_or_if_near_a_warning(
    root, photo, target, said
):
    if photo is None:
        write(root, "val", 50, saved_again(texture(4)), saved_again(labels(texture(4))))
    else:
        write(root, "val", 50, texture(photo), labels(texture(target)))
    found = findings(root)
    key = "near-leak" if photo is None else "leak"
    assert accused(found)[only(found, key).severity, key] == [pair(50, "val")]
    assert only(found, key).severity == ("warning" if photo is None else "error")
    assert only(found, key).rows[0].detail.startswith(f"{said} {pair(4)}")
    assert ("warning", "duplicate") not in accused(found)


def test_a_photograph_that_is_the_target_on_both_sides_of_the_border_is_a_leak(root):
    for number in range(13):
        split = "train" if number < 10 else "val"
        write(root, split, number, labels(texture(number)), texture(number))
    write(root, "val", 11, labels(texture(60)), texture(5))
    found = findings(root)
    assert accused(found)["error", "leak"] == [pair(11, "val")]


def test_photographs_alone_are_judged_by_their_targets(tmp_path):
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


def test_colours_outside_the_palette_are_told_per_file(root):
    target = {"classes": PALETTE, "resample": "nearest"}
    assert accused(findings(root, target=target)) == {}
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
    assert "blurred" not in [finding.key for finding in findings(tmp_path)]


# Whether the sides belong together: what is made of the answer. How good it is, is tested elsewhere


def test_a_shift_is_told_in_px_of_the_stored_target_and_of_the_right_pair(root, monkeypatch):
    for number in (2, 3):
        write(root, "train", number, texture(number), labels(texture(number, 512)))
    (root / "trainA" / "000.png").write_bytes(b"no image")  # of which nothing is known
    monkeypatch.setattr(pairing, "misaligned", lambda evidences: {1: Shift(5, -2.4, 9.0)})
    monkeypatch.setattr(pairing, "swapped", lambda evidences: [len(evidences) - 1])
    monkeypatch.setattr(pairing, "common_shift", lambda correspondence: Shift(0.2, 3.0, 5.0))
    found = findings(root)
    row = only(found, "misaligned").rows[0]
    assert row.name == pair(2)
    assert row.detail == "the target lies about 10 px right and 5 px up of where it fits best"
    assert [row.name for row in only(found, "swapped").rows] == [pair(12, "val")]
    assert "about 3 px down of where" in only(found, "shifted").rows[0].detail
    grave = {key: only(found, key).severity for key in ("misaligned", "swapped", "shifted")}
    assert grave == {"misaligned": "error", "swapped": "error", "shifted": "warning"}


@pytest.mark.parametrize("count", [1, 2])
def test_of_one_or_two_pairs_nothing_is_said_about_alignment(tmp_path, count):
    for number in range(count):
        write(tmp_path, "train", number)
    assert findings(tmp_path)[0].severity == "note"


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
    assert re.search(r"about \d px left and \d+ px down of", shifted["train/11.png"])


# The cheap part


def test_the_quick_check_finds_what_headers_tell(root):
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


def test_the_quick_check_knows_a_file_on_both_sides_of_the_border(root):
    rows = [f"trainA/{n:03d}.png,trainB/{n:03d}.png,train" for n in range(5)]
    rows += ["trainA/003.png,trainB/003.png,val"]
    (root / "pairs.csv").write_text("\n".join(["source,target,split", *rows]))
    found = quick_findings(root, Table(str(root)), layout={"name": "table"})
    assert accused(found) == {("error", "leak"): ["trainB/003"]}


def test_a_split_in_which_nothing_fits_together_is_told_as_before(root):
    for path in (root / "trainB").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    with pytest.raises(ImtransError, match="no name is on both sides"):
        findings(root)
