"""A training that is killed and started again ends as one that was not: bytes, log, samples."""

import random
import shutil
import subprocess
import sys
import time
from itertools import pairwise, takewhile

import pytest
from cells import CELLS, Start
from killing import KILLED
from operations import instants, one_of_each
from traces import differences

CELL = "plain, 0 workers"
CACHED = "fast, 0 workers, ema, cache"
# Six steps: all is written at step 0, checkpoints at 3 and 6, where that of step 0 is removed; a
# sample at 5 and 6, validations at 2, 4 and 6, each with a new best generator.
SHORT = "train.epochs=1"
SEED = 7
# Tests that the kills are divided among, a few of all sorts in each; some run in CI,
# and all in `make soak`.
COUNT = 12
PARTS = [
    0,
    *(pytest.param(part, marks=pytest.mark.thorough) for part in range(1, 2)),
    *(pytest.param(part, marks=pytest.mark.soak) for part in range(2, COUNT)),
]
QUICKER = (CACHED,)


@pytest.fixture
def killed_at(stage, tmp_path):
    """Kill a command at an instant, start it again, and compare: what differs, in words."""

    def mismatches(start, instant, expected):
        end = stage.runner.run(start, **instant.order())
        if end.code != KILLED:
            return [f"{instant}: not killed: {end.code} {end.out} {end.err}"]
        return [f"{instant}: {told}" for told in finished(stage.runner, start, expected)]

    return mismatches


def finished(runner, start, expected):
    """Start it again, undisturbed; how its end is not that of the whole run, in words."""
    end = runner.run(start)
    if (end.code, end.err) != (0, ""):
        return [f"exit code {end.code}: {end.out}{end.err}"]
    return differences(start.run, expected)


def test_every_file_of_a_run_is_seen_while_it_is_written(stage):
    """Else there would be instants that no kill here is placed at."""
    whole, files = stage.whole(CACHED), set()
    for operation in whole.end.operations:
        if operation.kind in ("open", "write", "append"):
            files.add(operation.path)
        elif operation.kind == "rename":
            moved = {f for f in files if f"{f}/".startswith(f"{operation.source}/")}
            assert moved
            files -= moved
            files |= {operation.path + f.removeprefix(operation.source) for f in moved}
        elif operation.kind == "remove":
            files.remove(operation.path)
    there = {path for path in whole.place.rglob("*") if path.is_file()}
    assert files == {path.relative_to(whole.place).as_posix() for path in there}


@pytest.mark.parametrize("part", PARTS)
def test_killed_at_every_kind_of_operation_it_ends_with_the_same_bytes(
    stage, killed_at, tmp_path, part
):
    whole = stage.whole(CELL, SHORT)
    kinds = one_of_each(instants(whole.end.operations))
    assert len(kinds) >= 45
    wrong = []
    for instant in kinds[part::COUNT]:
        start = stage.start(CELL, tmp_path / instant.name, SHORT)
        wrong += killed_at(start, instant, whole.traces)
    assert wrong == []


@pytest.mark.parametrize(
    "cell",
    [cell if cell in QUICKER else pytest.param(cell, marks=pytest.mark.thorough) for cell in CELLS],
)
def test_killed_again_and_again_it_ends_with_the_same_bytes(stage, tmp_path, cell):
    draw = random.Random(f"{SEED} {cell}")
    whole = stage.whole(cell)
    start, kills = stage.start(cell, tmp_path / "place"), 0
    # A line of a log is cut at the next operation of its thread, when another thread has written a
    # checkpoint of its step: that is no kill. Those are in the tests of each kind of operation.
    cuts = [
        one
        for one in instants(whole.end.operations[: -len(whole.end.operations) // 3])
        if not (one.inside and one.operation.kind == "append")
    ]
    while kills < 4:  # `make soak` goes on
        at = draw.choice(cuts)
        end = stage.runner.run(start, **at.order())
        assert end.code in (KILLED, 0), end.out + end.err
        kills += end.code == KILLED
        if end.code == 0:  # less was left to do
            assert differences(start.run, whole.traces) == []
            shutil.rmtree(start.place)
    assert finished(stage.runner, start, whole.traces) == []


@pytest.mark.thorough
@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_killed_while_it_builds_its_cache_it_builds_it_again(stage, killed_at, tmp_path, part):
    quick = (SHORT, "train.engine=plain")
    whole = stage.whole(CACHED, *quick)
    kinds = one_of_each(
        one for one in instants(whole.end.operations) if one.operation.path.startswith("caches")
    )
    assert len(kinds) >= 12
    wrong = []
    for instant in kinds[part::2]:
        start = stage.start(CACHED, tmp_path / instant.name, *quick)
        wrong += killed_at(start, instant, whole.traces)
        left = [path.name for path in (start.place / "caches").iterdir() if path.is_dir()]
        wrong += [f"{instant}: left {left}"] if len(left) != 1 else []
    assert wrong == []


@pytest.mark.thorough
@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_killed_while_it_mends_what_a_kill_left_it_mends_it_again(stage, killed_at, tmp_path, part):
    """The first kill is where one thing is moved aside and its successor not yet in its place."""
    whole = stage.whole(CELL, SHORT)
    successor = next(
        after
        for instant, after in pairwise(instants(whole.end.operations))
        if instant.operation.kind == after.operation.kind == "rename"
    )
    first = stage.start(CELL, tmp_path / "killed", SHORT)
    assert stage.runner.run(first, **successor.order()).code == KILLED

    def again(name):
        shutil.copytree(first.place, tmp_path / name)
        return stage.start(CELL, tmp_path / name, SHORT)

    resumed = stage.runner.run(again("resumed")).operations
    mending = takewhile(lambda operation: operation.kind != "append", resumed)
    kinds = one_of_each(instants(mending))
    assert len(kinds) >= 12
    wrong = []
    for instant in kinds[part::2]:
        wrong += killed_at(again(instant.name), instant, whole.traces)
    assert wrong == []


@pytest.mark.thorough
def test_killed_in_its_first_seconds_it_starts_as_if_never_before(stage, tmp_path):
    """From outside, a process as a user starts it: most of these instants are inside imports."""
    settings = (SHORT, "generator.name=resnet_6")  # `python -m imtrans` knows no smaller one
    start: Start = stage.start(CELL, tmp_path / "place", *settings)
    for seconds in (0.02, 0.3, 0.9):
        with subprocess.Popen(
            [sys.executable, "-m", "imtrans", *start.arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(seconds)
            process.kill()
    assert finished(stage.runner, start, stage.whole(CELL, *settings).traces) == []
