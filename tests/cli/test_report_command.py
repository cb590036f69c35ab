"""`imtrans report`, and the report at the end of a training."""

import re
from pathlib import Path

import pytest

from imtrans.reporting import report as reporting


@pytest.fixture
def run(finished_run, tmp_path):
    return finished_run(tmp_path / "runs" / "tiny")


def test_a_run_is_reported_by_its_name_or_its_folder(imtrans, run):
    assert imtrans("report", "tiny") == (0, "runs/tiny/report.html\n", "")
    first = (run / "report.html").read_text()
    assert imtrans("report", run) == (0, f"{run / 'report.html'}\n", "")
    minutes = re.compile(r"\d\d:\d\d UTC|(?:/\S+/)?runs/tiny")
    assert minutes.sub("", (run / "report.html").read_text()) == minutes.sub("", first)


def test_it_is_written_elsewhere_if_asked(imtrans, run, tmp_path):
    assert imtrans("report", "tiny", "--output", "page.html") == (0, "page.html\n", "")
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert not (run / "report.html").exists()


def test_the_data_is_opened_if_asked(imtrans, run):
    assert imtrans("report", "tiny", "--check-data")[0] == 0
    assert "Every picture was opened." in (run / "report.html").read_text()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nothing", "nothing: no such run"),
        ("photos", "photos: no such run"),
        ("runs/tiny/checkpoints/step_00000012", "is a checkpoint of the run runs/tiny"),
        ("", "it is empty"),
    ],
)
def test_what_is_no_run_is_one_clear_line(imtrans, run, tmp_path, named, said):
    (tmp_path / "photos").mkdir()
    code, out, err = imtrans("report", named)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("error: ") or named == ""


def test_a_report_that_cannot_be_written_is_one_clear_line(imtrans, run):
    (run / "report.html").mkdir()
    code, out, err = imtrans("report", "tiny")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"error: runs/tiny/report.html: is a directory\n", err)


def test_training_ends_with_the_report(imtrans, tiny_file):
    code, out, err = imtrans("train", tiny_file)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "report: runs/tiny/report.html"
    page = Path("runs/tiny/report.html").read_text()
    assert f"imtrans train {tiny_file}" in page
    assert "Trained to the end." in page  # the lock is let go


def test_no_report_fails_a_training(imtrans, tiny_file, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a mistake\nof ours")

    monkeypatch.setattr(reporting, "gather", broken)
    code, out, err = imtrans("train", tiny_file, "--set", "train.epochs=1")
    assert code == 0
    assert "steps trained" in out
    assert err == "warning: runs/tiny: no report was written: a mistake of ours\n"
