"""A sweep that is killed again and again ends with the same bytes in every run."""

import random
import re
import signal

import pytest
from cells import Start
from killing import KILLED, Runner
from operations import instants
from small_sweep import write_sweep
from traces import differences, traces

pytestmark = pytest.mark.thorough
RUNS = [f"run/{name}-seed-{seed}" for seed in (0, 1) for name in ("paper", "hinge")]
# In each training, in an evaluation, and while the table is written.
PLACES = [
    *(re.compile(rf"{run}/(checkpoints|samples|metrics|validation).*") for run in RUNS),
    re.compile(r"run/hinge-seed-0/evaluation(/validation)?"),
    re.compile(r"run/\.table\.md\.partial"),
]


@pytest.fixture(scope="module")
def runner():
    if not hasattr(signal, "sigtimedwait"):
        pytest.skip("needs fork and sigtimedwait, as Linux has")
    with Runner() as started:
        yield started


def test_killed_in_each_of_its_parts_each_run_ends_as_if_it_had_not_been(runner, tmp_path):
    write_sweep(tmp_path)
    root = f"data.root={(tmp_path / 'pairs').as_posix()}"
    words = ["sweep", str(tmp_path / "small_sweep.toml"), "--device", "cpu", "--set", root]

    def start(name):
        return Start([*words, "--runs", str(tmp_path / name / "run")], tmp_path / name)

    whole = runner.run(start("whole"))
    assert whole.code == 0, whole.out + whole.err
    draw, killed = random.Random("sweep"), start("killed")
    for place in PLACES:
        cuts = [one for one in instants(whole.operations) if place.fullmatch(one.operation.path)]
        # A line of a log is cut at the next operation of its thread: see the kills of trainings.
        cuts = [one for one in cuts if not (one.inside and one.operation.kind == "append")]
        end = runner.run(killed, **draw.choice(cuts).order())
        assert end.code == KILLED, f"{place}: {end.out}{end.err}"
    last = runner.run(killed)
    assert (last.code, last.err) == (0, ""), last.out
    for name in RUNS:
        assert differences(killed.place / name, traces(tmp_path / "whole" / name)) == [], name
    assert (killed.run / "table.md").is_file()
