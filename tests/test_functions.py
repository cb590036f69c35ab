"""imtrans from Python."""

import doctest
import subprocess
import sys
import warnings

import pytest
from drawn import draw_picture

import imtrans
from imtrans.api.errors import ImtransError


def test_dir_shows_what_there_is_and_each_is_there():
    assert dir(imtrans) == [
        "__version__",
        "check",
        "evaluate",
        "export",
        "hookimpl",
        "load",
        "result_files",
        "train",
    ]
    for name in dir(imtrans):
        assert getattr(imtrans, name)
    with pytest.raises(AttributeError, match="has no attribute 'loda'"):
        imtrans.loda  # noqa: B018


def test_importing_it_imports_no_torch():
    program = "import imtrans, sys; dir(imtrans); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_recipe_is_checked_trained_and_loaded(tiny_file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    findings = imtrans.check(tiny_file)
    assert {finding.severity for finding in findings} == {"ok"}
    outcome = imtrans.train(tiny_file, {"train.epochs": 1, "validate.every": 3}, quiet=True)
    assert (outcome.step, outcome.interrupted_by) == (6, None)
    assert capsys.readouterr().out == ""
    picture = draw_picture(2, (64, 64))
    by_name, by_path = imtrans.load("tiny"), imtrans.load(tmp_path / "runs" / "tiny", best=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert by_name(picture).size == by_path(picture).size == (64, 64)
    assert imtrans.train("runs/tiny", quiet=True).step == 6  # a run's folder: nothing is left to do
    # The same call continues; a number, a word and a list are what a recipe would have.
    longer = imtrans.train(tiny_file, {"train.epochs": 2, "validate.every": 3}, run_dir="runs/tiny")
    assert longer.step == 12
    assert "continuing after" in capsys.readouterr().out


def test_an_override_may_be_a_table(tiny_file):
    with pytest.raises(ImtransError, match="no adversarial loss 'hing'; did you mean 'hinge'"):
        imtrans.check(tiny_file, {"adversarial": {"name": "hing"}})


def test_the_examples_of_the_docstrings_run(tiny_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny_file.rename("my-task.toml")
    draw_picture(1, (96, 64)).save("photo.jpg")
    draw_picture(1, (64, 64)).save("other.jpg")
    for function in (
        *(imtrans.check, imtrans.train, imtrans.load),
        *(imtrans.result_files, imtrans.evaluate, imtrans.export),
    ):
        (test,) = doctest.DocTestFinder(recurse=False).find(function, globs={})
        assert test.examples
        assert doctest.DocTestRunner().run(test).failed == 0


def test_mistakes_are_one_line(tiny_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImtransError, match=r"train\.epochs: .*0"):
        imtrans.train(tiny_file, {"train.epochs": 0})
    wrong = imtrans.check(tiny_file, {"data.root": "nowhere"})
    assert [finding.subject for finding in wrong if finding.severity == "error"] == ["data"]
    with pytest.raises(ImtransError, match="nothing: no such checkpoint"):
        imtrans.load("nothing")
    with pytest.raises(ImtransError, match="no size 'half'; use 'trained', 'native', or a number"):
        imtrans.load(imtrans.train(tiny_file, {"train.epochs": 1}, quiet=True).run_dir, size="half")
