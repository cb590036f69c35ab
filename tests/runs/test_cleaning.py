"""What of runs may go, and what stays."""

import io
import os
import shutil
import sys

import pytest
from rich.console import Console

from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.cleaning import CleaningOptions, removables, remove
from imtrans.runs.listing import look_at
from imtrans.runs.run_dir import alone_in
from imtrans.task import Task
from imtrans.training.fit import fit


def trained(recipe, run, **options):
    return fit(Task(recipe, catalog()), run, console=Console(file=io.StringIO()), **options)


@pytest.fixture
def run(finished_run, tmp_path):
    """A whole run of 12 steps in 2 epochs, with checkpoints of steps 8 and 12."""
    return finished_run(tmp_path / "runs" / "tiny")


def looked_at(run):
    return look_at(run, run.parent)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


LEFT = (
    "checkpoints/.step_00000020.partial/generator.safetensors",
    "checkpoints/.best.partial/generator.safetensors",
    "checkpoints/.step_00000008.old/generator.safetensors",
    "checkpoints/.step_00000004.gone/generator.safetensors",
    "checkpoints/step_00000004.damaged/generator.safetensors",
    "checkpoints/step_00000004.damaged-1/generator.safetensors",
    ".recipe.toml.partial",
    "samples/.step_00000003.png.partial",
)
NOT_OURS = (
    "checkpoints/.mine.partial",
    "checkpoints/step_1.damaged.txt",
    "checkpoints/notes/step_00000003.damaged",
    "samples/step_1.png.partial",
    "notes.partial",
    "checkpoints/.step_00000020.old/generator.safetensors",  # the only one of its name
)


@pytest.fixture
def littered(run):
    for name in (*LEFT, *NOT_OURS):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(b"x" * 1000)
    return run


def test_clean_removes_leftovers_and_nothing_else(imtrans, littered):
    before = names(littered)
    code, out, err = imtrans("runs", "clean", "--yes")
    assert (code, err) == (0, "")
    assert f"removed {len(LEFT)} items, {len(LEFT)} kB" in out
    gone = {*before} - {*names(littered)}
    assert {name for name in gone if name.count("/") < 2 or name not in LEFT} == {
        name.removesuffix("/generator.safetensors") for name in LEFT
    }
    assert imtrans("runs", "clean")[1] == "nothing to remove in runs\n"
    assert looked_at(littered).state == "done"


@pytest.mark.parametrize(("answer", "removed"), [("y\n", True), ("n\n", False), ("", False)])
def test_clean_asks_first(imtrans, littered, monkeypatch, answer, removed):
    before = names(littered)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    code, out, _ = imtrans("runs", "clean")
    assert code == 0
    assert "checkpoints/.best.partial  (half written" in out
    assert ("nothing was removed" in out) != removed
    assert (names(littered) != before) == removed


def test_clean_leaves_a_running_run_alone(imtrans, littered):
    before = names(littered)
    with alone_in(littered):
        assert imtrans("runs", "clean", "--yes", "--checkpoints")[0] == 0
    assert names(littered) == before


def test_a_run_that_began_after_the_question_is_left_alone(littered):
    options = CleaningOptions(checkpoints=True)
    found = list(removables([littered], options))
    before = names(littered)
    with alone_in(littered):
        (told,) = remove(found, options)
    assert "another process trains there" in told
    assert names(littered) == before


def test_only_what_was_agreed_to_goes(littered):
    found = [
        one for one in removables([littered], CleaningOptions()) if one.path.name == ".best.partial"
    ]
    assert [one.path.name for one in remove(found, CleaningOptions())] == [".best.partial"]
    assert (littered / "checkpoints" / ".step_00000020.partial").exists()


def kept(run):
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def test_of_checkpoints_the_newest_and_the_best_stay(imtrans, run, tiny):
    assert kept(run) == ["best", "step_00000008", "step_00000012"]
    code, out, _ = imtrans("runs", "clean", "--checkpoints", "--yes")
    assert code == 0
    assert "step_00000008  (older checkpoint)" in out
    assert kept(run) == ["best", "step_00000012"]
    assert trained(tiny, run).step == 12


def test_the_last_checkpoint_that_is_sound_stays(imtrans, run):
    file = run / "checkpoints" / "step_00000012" / "discriminator.safetensors"
    content = bytearray(file.read_bytes())
    content[-5] ^= 255  # which only its checksum tells
    file.write_bytes(content)
    assert looked_at(run).state == "done"
    assert imtrans("runs", "clean", "--checkpoints", "--yes")[0] == 0
    assert kept(run) == ["best", "step_00000008", "step_00000012"]


def test_damaged_checkpoints_stay_where_there_is_nothing_else(imtrans, run):
    for path in checkpoints(run):
        path.rename(path.with_name(f"{path.name}.damaged"))
    assert looked_at(run).state == "damaged"
    assert imtrans("runs", "clean", "--yes")[1] == "nothing to remove in runs\n"


def test_runs_moved_aside_go_only_when_it_is_said(imtrans, run, tiny, tmp_path):
    trained(tiny, run, fresh=True)
    shutil.copytree(run, tmp_path / "elsewhere")
    os.symlink(tmp_path / "elsewhere", tmp_path / "runs" / "linked.old-1")
    (tmp_path / "runs" / "notes.old-1").mkdir()
    assert imtrans("runs", "clean", "--yes")[1] == "nothing to remove in runs\n"
    code, out, _ = imtrans("runs", "clean", "--aside", "--yes")
    assert (code, "removed 1 item" in out) == (0, True)
    there = {path.name for path in (tmp_path / "runs").iterdir()}
    assert there == {"tiny", "linked.old-1", "notes.old-1"}
    assert (tmp_path / "elsewhere" / "recipe.toml").exists()


def test_what_cannot_be_removed_is_told_with_exit_code_1(imtrans, littered, monkeypatch):
    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("imtrans.runs.cleaning.shutil.rmtree", refuse)
    code, out, err = imtrans("runs", "clean", "--yes")
    assert code == 1
    assert "kept: " in err
    assert "cannot be removed: permission denied" in err
    assert "removed 2 items" in out  # the files
