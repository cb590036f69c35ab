"""Disks that are full, folders that forbid, files that rot: what was learned is not lost."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drawn import write_pairs
from killing import CELLS, command, differences, meddled, resolved, rows, traces

from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.host.devices import choose_device
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints, tidy
from imtrans.runs.journal import Journal
from imtrans.runs.state import restore
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.engine import plain

resource = pytest.importorskip("resource", reason="limits are asked of Unix")

CELL = next(iter(CELLS))
# Six steps: all is written at step 0, checkpoints at 3 and 6, a sample at 5 and 6, validations at
# 2, 4 and 6, each with a new best generator.
SHORT = ("--set", "train.epochs=1")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder / "train", 6)
    write_pairs(folder / "val", 2)
    return folder


@pytest.fixture(scope="module")
def whole(root, tmp_path_factory):
    """A run that nothing disturbed."""
    run = tmp_path_factory.mktemp("whole") / "run"
    fit(Task(read(root, run), catalog()), run)
    assert [path.name for path in checkpoints(run)] == ["step_00000003", "step_00000006"]
    return run


@pytest.fixture(scope="module")
def expected(whole):
    return traces(whole)


@pytest.fixture
def start(root, tmp_path):
    return [*command(root, CELL, tmp_path / "run"), *SHORT]


@pytest.fixture
def finished(whole, tmp_path):
    """A copy of the undisturbed run, to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "run"))


def read(root, run):
    arguments = [*command(root, CELL, run), *SHORT]
    overrides = [word for before, word in zip(arguments, arguments[1:]) if before == "--set"]  # noqa: B905
    return recipes.read(Path(arguments[1]), overrides, catalog())


def changed(run, expected):
    """What of a run is not as in an undisturbed one, but for what a further checkpoint changes:
    there is one more, and the losses are logged then too."""
    kept = {k: v for k, v in expected.items() if "step_00000003/" not in k}
    for path in (run / "checkpoints/step_00000006").glob("*.safetensors"):
        # The end of an epoch and the start of the next are one place, with two names.
        path.write_bytes(renamed(path.read_bytes(), {"epoch": "2", "batch": "0"}))
    told = differences(run, kept)
    steps = {row["step"] for row in rows(run / "metrics.jsonl")}
    assert steps >= {row["step"] for row in kept["metrics.jsonl"]} - {4}
    earlier = re.compile(r"checkpoints/step_0000000[0-5]|metrics.jsonl: differs")
    return [line for line in told if not earlier.match(line)]


def renamed(content, facts):
    """A safetensors file's bytes with other facts in its header; None takes a fact out."""
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    changed = header["__metadata__"] | facts
    header["__metadata__"] = {k: v for k, v in changed.items() if v is not None}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[length:]


def assert_loads(path, root, run):
    """A checkpoint is whole: it can be gone on from."""
    recipe, device = read(root, run), choose_device("cpu")
    model = Pix2Pix(Task(recipe, catalog()).method(device), recipe.train, plain(device))
    assert restore(path, model)[0].step == int(path.name.removeprefix("step_"))


PLACES = {
    "lock": ("imtrans.host.locks:_open", 1),
    "recipe": ("imtrans.runs.run_dir:write_whole", 1, "inside"),
    "begun log": ("imtrans.runs.journal:write_whole", 1, "inside"),
    "begun validations": ("imtrans.runs.journal:write_whole", 2),
    "first sample": ("imtrans.runs.run_dir:write_whole", 2),
    "sample": ("imtrans.runs.run_dir:write_whole", 3, "inside"),
    "last sample": ("os:replace", 6),
    "losses": ("imtrans.runs.journal:Journal.append", 5),
    "first validation": ("imtrans.runs.journal:Journal.append", 1),
    "validation": ("imtrans.runs.journal:Journal.append", 6),
    "best generator": ("imtrans.runs.checkpoint:save_file", 8, "inside"),
    "best generator's place": ("pathlib:Path.rename", 5),
    "first checkpoint": ("imtrans.runs.checkpoint:save_file", 3, "inside"),
    "generator": ("imtrans.runs.checkpoint:save_file", 5, "inside"),
    "discriminator": ("imtrans.runs.checkpoint:save_file", 6, "inside"),
    "training": ("imtrans.runs.checkpoint:save_file", 7, "inside"),
    "checksums": ("imtrans.runs.checkpoint:write_sums", 3, "inside"),
    "sync of a file": ("imtrans.runs.checkpoint:_sync", 13),
    "sync of a checkpoint": ("imtrans.runs.checkpoint:_sync", 15),
    "sync of all": ("imtrans.runs.checkpoint:_sync", 16),
    "checkpoint's name": ("pathlib:Path.rename", 3),
    "old checkpoint": ("pathlib:Path.rename", 9),
}
FAULTS = {
    "full": OSError(errno.ENOSPC, "No space left on device"),
    "forbidden": PermissionError(errno.EACCES, "Permission denied"),
    "interrupted": KeyboardInterrupt(),
}


def raising(error):
    def act():
        raise error

    return act


def break_once(monkeypatch, place, fault):
    at, nth, *when = place
    owner, name = resolved(at)
    broken = meddled(getattr(owner, name), nth, *(when or ["before"]), raising(fault))
    monkeypatch.setattr(owner, name, broken)


def assert_one_clear_line(code, err, fault):
    """What the command line says of a fault: one line, and no traceback."""
    if isinstance(fault, KeyboardInterrupt):
        assert (code, err) == (130, "")  # who presses Ctrl-C knows
        return
    assert code == 2, err
    assert re.fullmatch(r"error: \S.*: .*\n", err), err
    assert fault.strerror.lower() in err


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("place", PLACES)
def test_whatever_cannot_be_written_the_same_command_goes_on_to_the_same_bytes(
    imtrans, start, root, expected, tmp_path, monkeypatch, place, fault
):
    run = tmp_path / "run"
    with monkeypatch.context() as broken:
        break_once(broken, PLACES[place], FAULTS[fault])
        code, _, err = imtrans(*start)
    assert_one_clear_line(code, err, FAULTS[fault])
    assert list(run.glob("checkpoints/.*")) == []  # nothing half done is left about
    for path in checkpoints(run):
        assert_loads(path, root, run)
    code, out, err = imtrans(*start)
    assert (code, err) == (0, ""), out
    assert "damaged" not in out
    assert changed(run, expected) == []


def test_when_the_disk_is_full_from_one_step_on_nothing_more_is_kept_and_nothing_lost(
    imtrans, start, root, expected, tmp_path, monkeypatch
):
    run, full = tmp_path / "run", OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as broken:
        for at, nth in (
            ("imtrans.runs.journal:Journal.append", 5),
            ("imtrans.runs.checkpoint:save_file", 8),
            ("imtrans.runs.run_dir:write_whole", 3),
        ):
            owner, name = resolved(at)
            really = getattr(owner, name)
            broken.setattr(owner, name, meddled(really, nth, "before", raising(full), lasting=True))
        code, _, err = imtrans(*start)
    assert_one_clear_line(code, err, full)
    assert [path.name for path in checkpoints(run)] == ["step_00000000", "step_00000003"]
    assert_loads(checkpoints(run)[-1], root, run)
    code, out, _ = imtrans(*start)
    assert code == 0, out
    assert differences(run, expected) == []


@pytest.fixture
def limit():
    """Limit how long a file may get (bytes): the system itself cuts off what is longer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def set_limit(size=before[0]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield set_limit
    set_limit()


def test_a_checkpoint_that_the_system_cuts_off_costs_not_the_one_before(
    imtrans, start, finished, root, expected, limit
):
    shutil.rmtree(finished / "checkpoints/step_00000006")
    before = (finished / "checkpoints/step_00000003/training.safetensors").stat().st_size
    limit(before - 1000)
    code, _, err = imtrans(*start)
    limit()
    assert code == 2
    assert re.fullmatch(r"error: .*/step_00000006: cannot write the checkpoint: .*\n", err), err
    assert [path.name for path in checkpoints(finished)] == ["step_00000003"]
    assert imtrans(*start)[0] == 0
    assert differences(finished, expected) == []


def test_a_record_that_does_not_fit_leaves_no_torn_line(tmp_path, limit):
    journal = Journal(tmp_path / "metrics.jsonl")
    journal.append({"step": 1})
    limit(journal.path.stat().st_size + 4)
    with pytest.raises(OSError, match="No space left|too large"):
        journal.append({"step": 2})
    limit()
    assert rows(journal.path) == [{"step": 1}]
    journal.append({"step": 2})
    assert rows(journal.path) == [{"step": 1}, {"step": 2}]


def test_what_a_kill_left_half_done_is_cleared_away_and_what_it_moved_aside_put_back(tmp_path):
    for name in (".best.old", ".step_00000003.old", "step_00000003", ".best.partial", ".x.gone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "is").write_text(name)
    tidy(tmp_path)
    kept = {path.name: (path / "is").read_text() for path in tmp_path.iterdir()}
    assert kept == {"best": ".best.old", "step_00000003": "step_00000003"}


# --- damage ---


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    os.truncate(path, path.stat().st_size * 2 // 3)


def garble(path):
    path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))


def empty(path):
    path.write_bytes(b"")


FILES = [f"{part}.safetensors" for part in ("generator", "discriminator", "training")]
DAMAGES = [(damage, file) for damage in (flip, cut, Path.unlink) for file in FILES]
DAMAGES += [(damage, "SHA256SUMS") for damage in (flip, cut, garble, empty)]


@pytest.mark.parametrize(("damage", "file"), DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    imtrans, start, finished, expected, damage, file
):
    newest = finished / "checkpoints/step_00000006"
    damage(newest / file)
    code, out, err = imtrans(*start)
    assert (code, err) == (0, "")
    (told,) = [line for line in out.splitlines() if "taking the checkpoint before it" in line]
    assert str(newest) in told
    assert "damaged" in told
    assert "step_00000003, in epoch 1 of 1" in out
    assert (finished / "checkpoints/step_00000006.damaged").is_dir()
    assert differences(finished, expected) == []


def test_a_checkpoint_may_be_damaged_again(imtrans, start, finished, expected):
    for _ in range(3):
        flip(finished / "checkpoints/step_00000006/training.safetensors")
        assert imtrans(*start)[0] == 0
    assert differences(finished, expected) == []
    assert len(list(finished.glob("checkpoints/*.damaged*"))) == 3


def test_when_all_are_damaged_it_says_what_is_left_to_do(imtrans, start, finished):
    for path in checkpoints(finished):
        flip(path / "discriminator.safetensors")
    code, _, err = imtrans(*start)
    assert code == 2
    told = err.splitlines()
    assert len(told) == 2
    assert "step_00000003: damaged: discriminator.safetensors changed" in told[0]
    assert "start anew with --fresh" in told[1]


def test_a_checkpoint_of_before_there_were_checksums_is_gone_on_from(
    imtrans, start, finished, expected
):
    shutil.rmtree(finished / "checkpoints/step_00000006")
    before = finished / "checkpoints/step_00000003"
    (before / "SHA256SUMS").unlink()
    for file in FILES:
        (before / file).write_bytes(renamed((before / file).read_bytes(), {"best": None}))
    code, out, _ = imtrans(*start)
    assert code == 0
    assert f"continuing after {before}" in out
    assert changed(finished, expected) == []


# --- two at once ---


def test_of_two_processes_in_one_run_the_second_is_refused_and_the_first_undisturbed(
    imtrans, start, expected, tmp_path
):
    run, lock = tmp_path / "run", tmp_path / ".run.lock"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "imtrans", *start], stdout=subprocess.DEVNULL, env=environment
    ) as first:
        while not (lock.exists() and run.exists()) and first.poll() is None:
            time.sleep(0.005)
        first.send_signal(signal.SIGSTOP)  # so that it is there as long as it takes
        code, _, err = imtrans(*start)
        first.send_signal(signal.SIGCONT)
        assert first.wait(timeout=120) == 0
    assert code == 2
    assert err.startswith(f"error: {run}: another process trains there. wait for it")
    assert err.count("\n") == 1
    assert differences(run, expected) == []


def test_a_run_that_lost_patience_is_not_trained_on_by_the_same_command(
    imtrans, start, tmp_path, monkeypatch
):
    best = "imtrans.runs.best.Best._better"
    monkeypatch.setattr(best, staticmethod(lambda metric, one, other: False))
    patient = ("--set", "train.patience=1")
    for _ in range(3):
        code, out, _ = imtrans(*start, *patient)
        assert code == 0
        assert "stopping: 1 validations since step 2 were no better" in out
        assert checkpoints(tmp_path / "run")[-1].name == "step_00000004"
