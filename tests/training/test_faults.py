"""Disks that are full, folders that forbid, files that rot: what was learned is not lost."""

import hashlib
import json
import os
import re
import shutil
import signal
import time
from fnmatch import fnmatch
from pathlib import Path

import pytest
from cells import CELLS, register_small
from forking import Child
from killing import command
from operations import instants, one_of_each
from resealing import reseal
from safetensors.torch import load_file
from traces import differences, rows

from imtrans.runs.checkpoint import checkpoints, tidy

CELL = next(iter(CELLS))
# Six steps: all is written at step 0, checkpoints at 3 and 6, a sample at 5 and 6, validations at
# 2, 4 and 6, each with a new best generator.
SHORT = "train.epochs=1"
# Tests that the faults are divided among, a few of all sorts in each; some run in CI,
# and all in `make soak`.
COUNT = 12
PARTS = [
    0,
    *(pytest.param(part, marks=pytest.mark.thorough) for part in range(1, 2)),
    *(pytest.param(part, marks=pytest.mark.soak) for part in range(2, COUNT)),
]


@pytest.fixture(scope="module")
def whole(stage):
    """A run that nothing disturbed."""
    return stage.whole(CELL, SHORT)


@pytest.fixture(scope="module")
def expected(whole):
    return whole.traces


@pytest.fixture
def start(stage, tmp_path):
    return stage.start(CELL, tmp_path, SHORT)


@pytest.fixture
def finished(whole, start):
    """A copy of the undisturbed run, to be damaged."""
    return Path(shutil.copytree(whole.place / "run", start.run))


@pytest.fixture
def trained(stage, start):
    """Start the command; its exit code, what it printed, and its errors."""

    def train(*settings, **order):
        end = stage.runner.run(stage.start(CELL, start.place, SHORT, *settings), **order)
        return end.code, end.out, end.err

    return train


def changed(run, expected, lost=0):
    """What of a run is not as in an undisturbed one, but for what a further checkpoint changes:
    there is one more, and the losses are logged then too. As many as `lost` records of losses may
    be missing."""
    kept = {k: v for k, v in expected.items() if "step_00000003/" not in k}
    for path in (run / "checkpoints/step_00000006").glob("*.safetensors"):
        # The end of an epoch and the start of the next are one place, with two names.
        reseal(path, lambda facts: facts | {"epoch": "2", "batch": "0"})
    told = differences(run, kept)
    earlier = re.compile(r"checkpoints/step_0000000[0-5]|metrics.jsonl: differs")
    told = [line for line in told if not earlier.match(line)]
    steps = {row["step"] for row in rows(run / "metrics.jsonl")}
    missing = {row["step"] for row in kept["metrics.jsonl"]} - steps
    return told + ([f"no losses of the steps {missing}"] if len(missing) > lost else [])


def without(content, facts):
    """A safetensors file's bytes without some facts in its header, as of before there were such."""
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    header["__metadata__"] = {k: v for k, v in header["__metadata__"].items() if k not in facts}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[length:]


def unsound(run, whole):
    """The checkpoints of a run that are not whole, file by file."""
    files = {path.name for path in checkpoints(whole.place / "run")[-1].iterdir()}
    return [path for path in checkpoints(run) if not is_sound(path, files)]


def is_sound(folder, files):
    for path in folder.glob("*.safetensors"):
        load_file(path)
    sums = [line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines()]
    found = {(hashlib.sha256((folder / name).read_bytes()).hexdigest(), name) for _, name in sums}
    return {path.name for path in folder.iterdir()} == files and found == {(*row,) for row in sums}


def torn(journal):
    """Whether the last line of a journal is a part of one."""
    content = journal.read_text()
    return content != "" and not content.endswith("}\n")


# --- faults ---

ERRORS = {
    "full": "no space left on device",
    "forbidden": "permission denied",
    "broken": "input/output error",
}
CUT_OFF = "file too large|no space left on device"


def placed(operations):
    """At each kind of operation one of the errors in turn, and at each kind of write one that
    comes when half of it is written; at every fifth kind an interrupt too."""
    whole, halves = [], []
    for instant in one_of_each(instants(operations)):
        (halves if instant.inside else whole).append(instant)
    names = list(ERRORS)
    cases = [(one, names[i % len(names)]) for i, one in enumerate(whole)]
    cases += [(one, "full") for one in halves]
    cases += [(one, "interrupt") for one in whole[::5]]
    return cases + [(one, "signal") for one in whole[1::10]]


def told_wrong(end, instant, act):
    """What is wrong with how a command told of a fault: it is one clear line."""
    if act in ("interrupt", "signal"):  # who presses Ctrl-C knows
        done = "6 steps trained" in end.out  # too late: nothing was left to do but the report
        return [] if (end.code, end.err) == (0 if done else 130, "") else [f"{end.code} {end.err}"]
    if end.code == 0 and instant.operation.removes:  # of what is no longer needed
        return []
    fault = CUT_OFF if instant.inside else ERRORS[act]
    if "sessions.jsonl" in instant.operation.path:  # worth no word
        return [] if (end.code, end.err) == (0, "") else [f"{end.code} {end.err}"]
    if "report.html" in instant.operation.path:  # the training is done
        clear = re.fullmatch(r"warning: .*: no report was written: .*\n", end.err)
        return [] if end.code == 0 and clear else [f"{end.code} {end.err}"]
    clear = re.fullmatch(r"error: \S.*: .*\n", end.err) and re.search(fault, end.err.lower())
    return [] if end.code == 2 and clear else [f"{end.code} {end.err}"]


def left_wrong(stage, start, whole, instant):
    """What is wrong with what a fault left, and with where the same command goes on to."""
    wrong = [f"{path}: not whole" for path in unsound(start.run, whole)]
    wrong += [f"{path}: its last line is torn" for path in start.run.glob("*.jsonl") if torn(path)]
    # Nothing half done is left about, but what could not be removed, or is not known to be on the
    # disk in its new place.
    kept = {"sync": ".*.old", "remove": ".*", "rmdir": ".*"}.get(instant.operation.kind, "")
    left = [path for path in start.run.glob("checkpoints/.*") if not fnmatch(path.name, kept)]
    wrong += [f"{path}: left over" for path in left]
    end = stage.runner.run(start)
    if (end.code, end.err) != (0, "") or "damaged" in end.out:
        wrong += [f"{end.code} {end.out} {end.err}"]
    lost = instant.operation.pattern == "append run/metrics.jsonl"
    return wrong + changed(start.run, whole.traces, lost)


@pytest.mark.thorough
@pytest.mark.parametrize("part", PARTS)
def test_whatever_cannot_be_written_the_same_command_goes_on_to_the_same_bytes(
    stage, whole, tmp_path, part
):
    cases = placed(whole.end.operations)
    assert len(cases) >= 60
    wrong = []
    for instant, act in cases[part::COUNT]:
        start = stage.start(CELL, tmp_path / act / instant.name, SHORT)
        end = stage.runner.run(start, **instant.order(act))
        told = told_wrong(end, instant, act) + left_wrong(stage, start, whole, instant)
        wrong += [f"{act} {instant}: {one}" for one in told]
    assert wrong == []


@pytest.mark.soak
def test_when_the_disk_is_full_from_one_step_on_nothing_more_is_kept_and_nothing_lost(
    trained, start, whole, expected
):
    found = [one for one in instants(whole.end.operations) if not one.inside]
    renamed = next(
        index
        for index, one in enumerate(found)
        if one.operation.kind == "rename" and one.operation.path.endswith("/step_00000003")
    )
    code, _, err = trained(**found[renamed + 1].order("full"), lasting=True)
    assert code == 2
    assert re.fullmatch(r"error: \S.*: .*no space left on device\n", err), err
    assert [path.name for path in checkpoints(start.run)] == ["step_00000000", "step_00000003"]
    assert unsound(start.run, whole) == []
    code, out, _ = trained()
    assert code == 0, out
    assert differences(start.run, expected) == []


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
    trained, finished, expected, damage, file
):
    newest = finished / "checkpoints/step_00000006"
    damage(newest / file)
    code, out, err = trained()
    assert (code, err) == (0, "")
    (told,) = [line for line in out.splitlines() if "the checkpoint before it" in line]
    assert str(newest) in told
    assert "damaged" in told
    assert "step_00000003, in epoch 1 of 1" in out
    assert (finished / "checkpoints/step_00000006.damaged").is_dir()
    assert differences(finished, expected) == []


def test_a_checkpoint_may_be_damaged_again(trained, finished, expected):
    for _ in range(3):
        flip(finished / "checkpoints/step_00000006/training.safetensors")
        assert trained()[0] == 0
    assert differences(finished, expected) == []
    assert len(list(finished.glob("checkpoints/*.damaged*"))) == 3


def test_when_all_are_damaged_it_says_what_is_left_to_do(trained, finished):
    for path in checkpoints(finished):
        flip(path / "discriminator.safetensors")
    code, _, err = trained()
    assert code == 2
    told = err.splitlines()
    assert len(told) == 2
    assert "step_00000003: damaged: discriminator.safetensors changed" in told[0]
    assert "start over with --fresh" in told[1]


def test_a_checkpoint_of_before_there_were_checksums_is_gone_on_from(trained, finished, expected):
    shutil.rmtree(finished / "checkpoints/step_00000006")
    before = finished / "checkpoints/step_00000003"
    (before / "SHA256SUMS").unlink()
    for file in FILES:
        (before / file).write_bytes(without((before / file).read_bytes(), {"best", "sha256"}))
    code, out, _ = trained()
    assert code == 0
    assert f"continuing after {before}" in out
    assert changed(finished, expected) == []


# --- two at once ---


def test_of_two_processes_in_one_run_the_second_is_refused_and_the_first_undisturbed(
    trained, start, expected
):
    run, lock = start.run, start.place / ".run.lock"
    register_small()
    first = Child(start.place / "first", command, start.arguments)
    while not (lock.exists() and run.exists()) and first.poll() is None:
        time.sleep(0.001)
    os.kill(first.pid, signal.SIGSTOP)  # so that it is there as long as it takes
    code, _, err = trained()
    os.kill(first.pid, signal.SIGCONT)
    assert first.wait() == 0
    assert code == 2
    assert err.startswith(f"error: {run}: another process trains there. wait for it")
    assert err.count("\n") == 1
    assert differences(run, expected) == []


def test_a_run_that_lost_patience_is_not_trained_on_by_the_same_command(trained, start):
    # At this rate no weight changes, and no validation is better than the one before.
    patient = ("validate.patience=1", "train.learning_rate=1e-30")
    for _ in range(3):
        code, out, _ = trained(*patient)
        assert code == 0
        assert "stopping: 1 validations since step 2 were no better" in out
        assert checkpoints(start.run)[-1].name == "step_00000004"
