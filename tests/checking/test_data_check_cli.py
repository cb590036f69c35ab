"""`imtrans data check` on the command line: with a recipe, with a folder, as text, as JSON."""

import json

import numpy as np
import pytest
from drawn import write_pairs
from PIL import Image
from planted_pairs import labels, texture, write, write_set
from stored_pairs import pack

from imtrans.api.errors import ImtransError
from imtrans.checking.data.guess import guess


@pytest.fixture
def root(tmp_path):
    return write_set(tmp_path / "set")


def document(imtrans, *arguments):
    code, out, _ = imtrans("data", "check", *arguments, "--json")
    report = json.loads(out)
    return code, report, {finding["key"]: finding for finding in report["findings"]}


FOLDERS = ["--set", "data.layout=folders", "--set", "data.workers=0"]


def test_a_good_set_passes_with_exit_code_0(imtrans, root):
    code, out, _ = imtrans("data", "check", "maps", "--set", f"data.root={root}", *FOLDERS)
    assert code == 0
    assert out.startswith("maps: 10 pairs to train on, 3 for validation\n")
    assert "0 errors, 0 warnings" in out.splitlines()[-1]
    assert out.splitlines()[-1].startswith("13 pairs opened in ")


def test_an_error_is_a_table_with_its_remedy_and_exit_code_1(imtrans, root):
    (root / "trainA" / "003.png").write_bytes(b"")
    code, out, _ = imtrans("data", "check", "maps", "--set", f"data.root={root}", *FOLDERS)
    assert code == 1
    lines = out.splitlines()
    at = lines.index("error: 1 file cannot be read")
    assert lines[at + 1] == "  trainA/003.png  not an image, or one that cannot be read"
    assert lines[at + 2] == "  -> copy or download these files again, or remove the pairs"
    assert "1 error, 0 warnings" in lines[-1]


def test_single_images_are_called_photographs(imtrans, tmp_path):
    (tmp_path / "set").mkdir()
    for number in range(3):
        Image.new("RGB", (40, 40), (9 * number, 50, 99)).save(tmp_path / "set" / f"{number}x.png")
    keys = ("data.workers=0", "data.layout=photos", "data.derive=grayscale", "data.train='.'")
    out = imtrans("data", "check", "set", *(part for key in keys for part in ("--set", key)))[1]
    head = out.splitlines()[0]
    assert "3 photographs to train on, 0 for validation (sources would be derived from th" in head
    assert "pairs" not in head


def test_a_warning_alone_leaves_exit_code_0(imtrans, root):
    Image.new("RGB", (64, 64)).save(root / "trainB" / "003.png")
    code, out, _ = imtrans("data", "check", root, "--set", "data.workers=0")
    assert code == 0
    assert "warning: 1 picture is of one colour" in out


def test_names_are_complete_however_long_and_ten_of_many_are_shown(imtrans, root):
    folder = "a_folder_with_a_name_that_is_longer_than_any_terminal_" * 3 + "[red]"
    for number in range(12):
        for side in "AB":
            path = root / f"train{side}" / folder / f"{number:02d}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"no image")
    code, out, _ = imtrans("data", "check", root, "--set", "data.workers=0")
    assert code == 1
    rows = [line for line in out.splitlines() if folder in line]
    assert len(rows) == 10
    assert rows[0].startswith(f"  trainA/{folder}/00.png  ")
    assert "  and 14 more (--json lists all)" in out


def test_the_json_document_holds_every_row_and_nothing_else_is_printed(imtrans, root):
    for number in range(12):
        Image.new("RGB", (64, 64), (number, 0, 0)).save(root / "trainA" / f"9{number:02d}.png")
    code, report, findings = document(imtrans, root, "--set", "data.workers=0")
    assert code == 1
    assert (report["training"], report["validation"]) == (10, 3)
    assert findings["orphaned"]["severity"] == "error"
    assert len(findings["orphaned"]["rows"]) == 12
    assert findings["orphaned"]["rows"][0] == {
        "name": str(root / "trainA" / "900.png"),
        "detail": f"no partner in {root / 'trainB'}",
    }


@pytest.mark.thorough
def test_the_workers_find_what_one_process_finds(imtrans, root):
    for number in range(20, 50):
        write(root, "train", number)
    (root / "trainA" / "030.png").write_bytes(b"no image")
    (root / "trainA" / "031.png").write_bytes((root / "trainA" / "032.png").read_bytes())
    here = document(imtrans, root, "--set", "data.workers=0")
    there = document(imtrans, root, "--set", "data.workers=2")
    assert here[2] == there[2]
    assert {"unreadable", "sizes"} <= here[2].keys()


def test_a_split_without_any_pair_is_reported_as_orphans(imtrans, root):
    for path in (root / "trainB").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    code, report, findings = document(imtrans, root, *FOLDERS)
    assert code == 1
    assert report["training"] == 0
    assert len(findings["orphaned"]["rows"]) == 20


def test_mistakes_of_the_call_have_exit_code_2(imtrans, root, tmp_path):
    assert imtrans("data", "check", "no_such_recipe")[0] == 2
    (tmp_path / "empty").mkdir()
    code, _, err = imtrans("data", "check", "empty")
    assert code == 2
    assert "empty: no pairs there" in err
    assert imtrans("data", "check", root, "--set", "data.nothing=1")[0] == 2


# Folders without a recipe


def images(folder, count=3, size=(128, 64)):
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        texture(number).resize(size).save(folder / f"{number}.png")


def two_folders(root):
    images(root / "trainA")
    images(root / "trainB")
    return "folders", "train"


def two_folders_by_side(root):
    images(root / "A" / "train")
    images(root / "B" / "train")
    return "folders", "train"


def two_folders_without_split(root):
    images(root / "A")
    images(root / "B")
    return "folders", "train"


def halves(root):
    images(root / "train")
    return "side_by_side", "train"


def only_validation(root):
    images(root / "val")
    return "side_by_side", "val"


def halves_without_split(root):
    images(root)
    return "side_by_side", "."


def photographs(root):
    images(root / "train" / "roses", size=(64, 80))
    return "photos", "train"


def named_in_a_table(root):
    images(root / "pictures")
    (root / "list.csv").write_text("photo,drawing\npictures/0.png,pictures/1.png\n")
    return "table", "train"


def packed(root):
    picture = root / "x.png"
    images(root / "loose", 1)
    content = (root / "loose" / "0.png").read_bytes()
    assert not picture.exists()
    pack(root / "train-0.tar", ("0.source.png", content), ("0.target.png", content))
    return "shards", "train"


def packed_in_one(root):
    images(root / "loose", 1)
    content = (root / "loose" / "0.png").read_bytes()
    pack(root / "all.tar", ("0.source.png", content), ("0.target.png", content))
    return "shards", "train"


STORED = [
    *(two_folders, two_folders_by_side, two_folders_without_split, halves, only_validation),
    *(halves_without_split, photographs, named_in_a_table, packed, packed_in_one),
]


@pytest.mark.parametrize("store", STORED, ids=lambda store: store.__name__)
def test_the_layout_of_a_folder_is_guessed_and_reported(imtrans, tmp_path, store):
    layout, split = store(tmp_path / "set")
    table = guess(str(tmp_path / "set")).table
    name = table["layout"] if isinstance(table["layout"], str) else table["layout"]["name"]
    assert (name, table.get("train", "train")) == (layout, split)
    code, out, _ = imtrans("data", "check", tmp_path / "set", "--set", "data.workers=0")
    assert code in (0, 1)
    assert f"guessed layout '{layout}'" in out.splitlines()[0]
    assert "cannot be read" not in out


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ImtransError, match="no pairs there"):
        guess(str(tmp_path))


def test_depth_and_channels_of_a_folder_are_those_of_most_files(imtrans, tmp_path):
    for number in range(6):
        for side, levels in (("A", 65535), ("B", 255)):
            path = tmp_path / "set" / f"train{side}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            grey = np.asarray(texture(number).convert("L")).astype(np.float32) / 255 * levels
            Image.fromarray(grey.astype(np.uint16 if levels > 255 else np.uint8)).save(path)
    labels(texture(9)).save(tmp_path / "set" / "trainA" / "5.png")
    code, report, findings = document(imtrans, tmp_path / "set", "--set", "data.workers=0")
    assert code == 1
    assert [row["name"] for row in findings["unfit"]["rows"]] == ["trainA/5.png"]
    assert "16-bit grey" in findings["mixed"]["title"]
    assert "channels = 1" in findings["unfit"]["rows"][0]["detail"]


def test_values_are_not_compared_with_a_guessed_range(imtrans, tmp_path):
    for number in range(3):
        for side in "AB":
            path = tmp_path / "set" / f"train{side}" / f"{number}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.asarray(texture(number), np.float32) * 1000)
    code, report, findings = document(imtrans, tmp_path / "set", "--set", "data.workers=0")
    assert "range" not in findings
    assert "becomes" not in findings["values"]["rows"][0]["detail"]


def test_what_is_set_is_not_guessed(imtrans, tmp_path):
    write_pairs(tmp_path / "set" / "train", 3)
    arguments = [tmp_path / "set", "--set", "data.workers=0", "--set", "data.layout=photos"]
    code, report, _ = document(imtrans, *arguments, "--set", "data.derive=grayscale")
    assert (code, report["training"]) == (0, 3)
    assert "guessed layout 'photos'" in report["origin"]
    code, _, findings = document(imtrans, *arguments[:3], "--set", "data.target.dtype=uint16")
    assert code == 1
    assert len(findings["unfit"]["rows"]) == 3


# Real pairs

thorough = pytest.mark.thorough
REAL = [
    pytest.param("facades", "facades", [], ["blurred", "sizes", "values"], marks=thorough),
    ("maps", "maps", ["data.layout=folders"], ["sizes", "values"]),
    ("edges2shoes", "edges2shoes", ["data.direction=BtoA"], ["sizes", "values"]),
    ("colorize", "flowers", [], ["sizes", "values"]),
    pytest.param("facades", "sketch2shiba", [], ["sizes", "values"], marks=thorough),
]


@pytest.mark.soak
@pytest.mark.parametrize(("recipe", "folder", "keys", "reported"), REAL)
def test_real_pairs_are_not_accused(imtrans, real_data, recipe, folder, keys, reported):
    overrides = [f"data.root={real_data / folder}", *keys]
    arguments = [word for key in overrides for word in ("--set", key)]
    _, _, findings = document(imtrans, recipe, *arguments)
    # Labels that are one red block, in the set as it was published.
    wrong = [row["name"] for row in findings.pop("mismatched", {"rows": []})["rows"]]
    assert wrong in ([], ["train/image_242.jpg"])
    # Whether pairs are aligned is a statistical question, with tests of its own.
    assert [key for key in findings if key != "misaligned"] == reported
