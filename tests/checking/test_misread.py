"""Data that a layout reads as something else: refused or warned of in every command alike."""

import os
import shutil

import pytest
from drawn import draw_picture

PATTERNS = 'a = "{name}_real_A.png", b = "{name}_real_B.png"'


def in_pairs(folder, ends=("_real_A", "_real_B"), count=6, size=(64, 64)):
    """Pairs in one folder, told apart by the ends of their names."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture = draw_picture(number, size)
        picture.save(folder / f"{number}{ends[0]}.png")
        picture.point(lambda value: 255 - value).save(folder / f"{number}{ends[1]}.png")
    return folder


def commands(recipe, *keys):
    sets = [word for key in keys for word in ("--set", key)]
    return [
        ("check", recipe, *sets),
        ("data", "check", recipe, *sets, "--set", "data.workers=0"),
        ("train", recipe, *sets, "--dry-run"),
        ("train", recipe, *sets),
    ]


@pytest.fixture
def of_folder(tiny_file, imtrans, monkeypatch):
    """Runs check, data check and train on a folder; returns their exit codes and what they say."""
    monkeypatch.setattr("imtrans.checking.cost.peak", lambda *_: 10**7)  # no processes for it

    def run(folder, *keys):
        found = []
        for command in commands(tiny_file, f"data.root={folder}", *keys):
            code, out, err = imtrans(*command)
            found.append((code, out + err))
        return found

    return run


def test_pairs_by_name_are_not_cut_into_halves(of_folder, tmp_path):
    for code, said in of_folder(in_pairs(tmp_path / "set"), "data.train=."):
        assert code in (1, 2)
        assert "each file is cut into two halves, but 6 names come in pairs" in said
        assert PATTERNS in said


def test_files_that_are_not_wider_than_high_are_no_two_halves(of_folder, tmp_path):
    folder = tmp_path / "set" / "train"
    folder.mkdir(parents=True)
    for number in range(6):
        draw_picture(number, (64, 64)).save(folder / f"{number}.png")
    for code, said in of_folder(tmp_path / "set", "train.epochs=1"):
        assert code == 0
        assert "6 side-by-side files are not wider than high" in said
        assert "imtrans init" in said


def test_pairs_by_name_are_not_single_photographs(of_folder, tmp_path):
    keys = ["data.train=.", "data.layout=photos", "data.derive=grayscale", "train.epochs=1"]
    for code, said in of_folder(in_pairs(tmp_path / "set"), *keys):
        assert code == 0
        assert "warning" in said
        assert "each file is taken for a single photograph, but 6 names come in pairs" in said
        assert PATTERNS in said


def test_one_folder_for_both_sides_is_refused(of_folder, tmp_path):
    layout = 'data.layout={name = "folders", a = ".", b = "."}'
    for code, said in of_folder(in_pairs(tmp_path / "set"), layout):
        assert code in (1, 2)
        assert "a = '.' and b = '.' are the same files" in said
        assert PATTERNS in said


def one_file_twice(folder):
    in_pairs(folder)
    rows = [f"{number}_real_A.png,{number}_real_A.png" for number in range(6)]
    (folder / "pairs.csv").write_text("\n".join(["source,target", *rows]))
    return "data.layout=table"


def links(folder):
    in_pairs(folder / "trainA")
    (folder / "trainB").mkdir()
    for path in (folder / "trainA").iterdir():
        os.link(path, folder / "trainB" / path.name)
    return "data.layout=folders"


def copies(folder):
    in_pairs(folder / "trainA")
    shutil.copytree(folder / "trainA", folder / "trainB")
    return "data.layout=folders"


@pytest.mark.parametrize("store", [one_file_twice, links, copies])
def test_a_target_that_is_its_source_is_refused(of_folder, tmp_path, store):
    layout = store(tmp_path / "set")
    for code, said in of_folder(tmp_path / "set", layout):
        assert code in (1, 2)
        assert "pairs have the same picture as source and target" in said


@pytest.mark.thorough
def test_one_such_pair_of_many_is_a_warning(of_folder, tmp_path):
    links(tmp_path / "set")
    for path in list((tmp_path / "set" / "trainB").iterdir())[1:]:
        picture = draw_picture(int(path.name[0]) + 100, (64, 64))
        path.unlink()
        picture.save(path)
    code, said = of_folder(tmp_path / "set", "data.layout=folders")[0]
    assert code == 0
    assert "warning: 1 pair has the same picture as source and target" in said


def test_a_missing_folder_names_the_pairs_that_are_there(tiny_file, imtrans, tmp_path):
    in_pairs(tmp_path / "set")
    for layout in ("side_by_side", "folders"):
        keys = [f"data.root={tmp_path / 'set'}", f"data.layout={layout}"]
        for command in commands(tiny_file, *keys):
            code, out, err = imtrans(*command)
            assert code == 2
            assert PATTERNS in out + err
            assert 'use data.train = "."' not in out + err


def test_folders_without_a_common_name_are_paired_by_patterns(tiny_file, imtrans, tmp_path):
    for side in "AB":
        (tmp_path / "set" / f"train{side}").mkdir(parents=True)
    for path in in_pairs(tmp_path / "all").iterdir():
        path.rename(tmp_path / "set" / f"train{path.stem[-1]}" / path.name)
    keys = [f"data.root={tmp_path / 'set'}", "data.layout=folders"]
    code, _, err = imtrans(*commands(tiny_file, *keys)[3])
    assert code == 2
    assert 'a = "trainA/{name}_real_A.png", b = "trainB/{name}_real_B.png"' in err


def test_the_layout_of_pairs_by_name_is_guessed(imtrans, tmp_path):
    in_pairs(tmp_path / "set", ("_he", "_ihc"))
    code, out, _ = imtrans("data", "check", tmp_path / "set", "--set", "data.workers=0")
    assert code == 0
    assert "guessed layout 'folders' (6 names come in pairs: {name}_he.png and {name}_ihc" in out
    assert "6 pairs to train on" in out
