"""An evaluation on disk is whole or absent, replaces nothing of others, and is read with care."""

import errno
import hashlib
import json
import os
import shutil
import sys

import pytest
from drawn import draw_picture
from safetensors.torch import load, save

from imtrans.evaluation import files
from imtrans.evaluation.files import METRICS, ROWS


@pytest.fixture(scope="module")
def first_made(tmp_path_factory):
    """Where the first evaluations of this module are kept, to be copied."""
    return tmp_path_factory.mktemp("made") / "kept"


@pytest.fixture
def made(imtrans, tmp_path, first_made):
    """Two evaluations of the same six targets, `a` and `b`; the folder that they are below."""
    if first_made.exists():
        return shutil.copytree(first_made, tmp_path, dirs_exist_ok=True)
    for number in range(6):
        for side, shift in (("targets", 0), ("a", 1), ("b", 4)):
            (tmp_path / side).mkdir(exist_ok=True)
            draw_picture(number + shift, (32, 24)).save(tmp_path / side / f"{number}.png")
    for side in "ab":
        assert imtrans("evaluate", side, "targets")[0] == 0
    shutil.copytree(tmp_path, first_made)
    return tmp_path


def content(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("theirs", ["pictures/holiday.png", "pictures/00000-output.png", METRICS])
def test_what_others_wrote_is_not_replaced(imtrans, made, theirs):
    (made / "mine" / theirs).parent.mkdir(parents=True)
    (made / "mine" / theirs).write_bytes(b"precious")
    code, _, err = imtrans("evaluate", "a", "targets", "--output", "mine")
    assert (code, "name another --output folder" in err) == (2, True)
    assert content(made / "mine") == {theirs.split("/")[-1]: b"precious"}


def test_a_file_is_no_place_for_an_evaluation(imtrans, made):
    code, _, err = imtrans("evaluate", "a", "targets", "--output", "a/0.png")
    assert (code, "is a file" in err) == (2, True)


@pytest.mark.parametrize("fault", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("when", ["write", "_replace"])
def test_an_evaluation_that_fails_leaves_the_old_one(imtrans, made, monkeypatch, fault, when):
    before = content(made / "a-evaluation")

    def fail(*_):
        raise fault

    monkeypatch.setattr(files, when, fail)
    code, _, err = imtrans("evaluate", "a", "targets", "--metric", "l1")
    assert code in (2, 130)
    assert "the evaluation cannot be written: no space left" in err or code == 130
    after = content(made / "a-evaluation")
    assert {name: after[name] for name in before} == before
    assert not [name for name in os.listdir(made / "a-evaluation") if name.startswith(".new-")]


def test_pictures_of_an_evaluation_are_no_images_to_measure(imtrans, made):
    (made / "a" / "inner").mkdir()
    imtrans("evaluate", "a", "targets", "--output", "a/inner/found")
    code, out, err = imtrans("evaluate", "a", "targets")
    assert (code, err) == (0, "")
    assert "6 images" in out


def test_the_working_folder_is_a_folder_of_outputs(imtrans, made, monkeypatch):
    monkeypatch.chdir(made / "a")
    for place in (".", "{name}.png", "../a"):
        code, _, err = imtrans("evaluate", place, "../targets", "--metric", "l1")
        assert code == 0, err
    monkeypatch.chdir(made / "a-evaluation")  # below the outputs' own folder
    assert imtrans("evaluate", "../a", "../targets", "--metric", "l1")[0] == 0
    assert not (made / "a" / "a-evaluation").exists()
    assert json.loads((made / "a-evaluation" / METRICS).read_text())["outputs"] == "../a"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have names in Unicode alone")
def test_a_name_that_is_no_unicode_is_written_as_json_that_is(imtrans, made):
    for side in ("a", "b", "targets"):
        (made / side / "0.png").rename(made / side / "\udce9t\u00e9.png")
    for side in "ab":
        assert imtrans("evaluate", side, "targets")[0] == 0
    document = json.loads((made / "a-evaluation" / METRICS).read_bytes().decode("utf-8"))
    assert "\udce9t\u00e9" in [one["name"] for one in document["pictures"]]
    assert "\\udce9té" in (made / "a-evaluation" / "metrics.csv").read_text(encoding="utf-8")
    code, _, err = imtrans("compare", "a-evaluation", "b-evaluation")
    assert code == 0, err


def compared_after(imtrans, made, facts=None, rows=None, names=None):
    """Compare with a `b` whose files were changed, and whose sum is that of what is there."""
    place = made / "b-evaluation"
    if rows is not None:
        (place / ROWS).write_bytes(save(rows, {"names": json.dumps(names)}))
    document = json.loads((place / METRICS).read_text())
    document["rows"] = hashlib.sha256((place / ROWS).read_bytes()).hexdigest()
    (place / METRICS).write_text(json.dumps(document | (facts or {})))
    return imtrans("compare", "a-evaluation", "b-evaluation", "--json")


def is_one_line(found):
    code, _, err = found
    return code == 2 and err.count("\n") == 1 and "evaluate again" in err


@pytest.mark.parametrize("key", ["components", "made_with"])
@pytest.mark.parametrize("value", [None, [], "x", 1])
def test_facts_of_another_type_are_one_line(imtrans, made, key, value):
    assert is_one_line(compared_after(imtrans, made, {key: value}))
    assert is_one_line(compared_after(imtrans, made, {"components": {"l1": value or None}}))


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("rows/l1", lambda rows: rows[:5]),
        ("rows/l1", lambda rows: rows[:, 0]),
        ("rows/l1", lambda rows: rows[:, :0]),
        ("rows/l1", lambda rows: rows.long()),
        ("rows/lab_histogram", lambda rows: rows[:, :7].contiguous()),
        ("compared/l1", lambda sums: sums[:5]),
        ("compared/l1", lambda sums: sums.float()),
    ],
)
def test_rows_that_do_not_fit_are_one_line(imtrans, made, key, change):
    rows = load((made / "b-evaluation" / ROWS).read_bytes())
    names = [str(number) for number in range(6)]
    rows[key] = change(rows[key]).contiguous()
    assert is_one_line(compared_after(imtrans, made, None, rows, names))


@pytest.mark.parametrize("names", [None, 3, {}, "012345", [0, 1, 2, 3, 4, 5], ["0"], ["0"] * 6])
def test_names_that_are_none_are_one_line(imtrans, made, names):
    rows = load((made / "b-evaluation" / ROWS).read_bytes())
    assert is_one_line(compared_after(imtrans, made, None, rows, names))


def test_files_of_two_evaluations_are_not_taken_for_one(imtrans, made):
    (made / "b-evaluation" / ROWS).write_bytes((made / "a-evaluation" / ROWS).read_bytes())
    code, _, err = imtrans("compare", "a-evaluation", "b-evaluation")
    assert (code, "are not of one evaluation" in err) == (2, True)
