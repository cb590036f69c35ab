"""Each session of a run is noted: when, after which step, with which command, on what."""

import re
from pathlib import Path

import torch

import imtrans as public
from imtrans.runs.sessions import note_session, sessions

CPU = torch.device("cpu")


def test_training_notes_each_session_with_its_command(imtrans, tiny_file):
    assert imtrans("train", tiny_file, "--set", "title=It's")[0] == 0
    assert imtrans("train", tiny_file, "--set", "title=It's")[0] == 0
    first, second = sessions(Path("runs/tiny"))
    assert (first.step, second.step) == (0, 12)
    assert first.command == f"imtrans train {tiny_file} --set 'title=It'\"'\"'s'"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", first.began)
    assert (first.imtrans, first.torch) == (public.__version__, torch.__version__)
    assert first.device.startswith("cpu, ")


def test_training_from_python_has_no_command(tiny_file, tmp_path):
    public.train(tiny_file, {"train.epochs": 1}, run_dir=tmp_path / "run", quiet=True)
    assert [one.command for one in sessions(tmp_path / "run")] == [""]


def test_damaged_lines_are_left_out_and_what_is_noted_next_is_whole(tmp_path):
    note_session(tmp_path, 0, CPU, ["imtrans", "train", "a b"])
    file = tmp_path / "sessions.jsonl"
    file.write_text(file.read_text() + '[1]\n{"step": 3, "command": ["x"]}\n{"step": 5, "comm')
    note_session(tmp_path, 7, CPU, ["imtrans", "train", "x\ny"])
    found = sessions(tmp_path)
    assert [one.step for one in found] == [0, 3, 7]
    assert found[0].command == "imtrans train 'a b'"
    assert found[2].command == "imtrans train 'x?y'"
    assert sessions(tmp_path / "none") == []


def test_what_cannot_be_noted_stops_nothing(tmp_path):
    (tmp_path / "sessions.jsonl").mkdir()
    note_session(tmp_path, 0, CPU, ["imtrans"])
    assert sessions(tmp_path) == []
