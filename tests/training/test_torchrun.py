"""torchrun itself: a killed process, a group that starts again, and what it ends with."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked_ranks import commands
from safetensors.torch import load_file

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
    pytest.mark.thorough,
]
SETTINGS = ("--set", "train.epochs=15", "--set", "generator.dropout=0.5")
STEPS = 45


class Torchrun:
    """A job of torchrun on this machine."""

    def __init__(self, folder: Path, *arguments: object, restarts: int = 0) -> None:
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        words = ["--nproc-per-node", "2", "--max-restarts", restarts, "-m", "imtrans", *arguments]
        self.file = folder / "printed"
        with self.file.open("w") as printed:
            self.process = subprocess.Popen(
                [*torchrun, *map(str, words)], cwd=folder, stdout=printed, stderr=printed
            )

    def rank(self, number: int) -> int | None:
        """The process of a rank, while there is one."""
        for folder in Path("/proc").iterdir():
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            if parent == self.process.pid and f"RANK={number}".encode() in environment:
                return int(folder.name)
        return None

    def wait(self) -> tuple[int, str]:
        return self.process.wait(timeout=400), self.file.read_text()


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def last_of(run):
    last = run / "checkpoints" / f"step_{STEPS:08d}"
    return {
        f"{file.name}/{name}": value.numpy().tobytes()
        for file in last.glob("*.safetensors")
        for name, value in load_file(file).items()
    }


def learned(run):
    """The checkpoints but that of step 0, which only shows that one can be written."""
    return {path.name for path in run.glob("checkpoints/step_*")} - {"step_00000000"}


@pytest.mark.parametrize(
    "killed", [(1,), *(pytest.param(k, marks=pytest.mark.soak) for k in ((0,), (1, 0, 1)))]
)
def test_a_killed_process_costs_a_restart_and_changes_no_bit(tmp_path, tiny_file, killed):
    whole, run = tmp_path / "whole", tmp_path / "run"
    commands(tmp_path / "r", 2, "train", tiny_file, "--run-dir", whole, *SETTINGS).done()
    job = Torchrun(tmp_path, "train", tiny_file, "--run-dir", run, *SETTINGS, restarts=len(killed))
    for number in killed:
        before = learned(run)
        wait_for(lambda before=before: learned(run) - before)
        time.sleep(random.Random(str(killed)).uniform(0, 0.3))
        os.kill(wait_for(lambda number=number: job.rank(number)), signal.SIGKILL)
    code, printed = job.wait()
    assert code == 0, printed
    assert printed.count("continuing after") == len(killed), printed
    assert f"{STEPS} steps trained" in printed
    assert last_of(run) == last_of(whole) != {}


@pytest.mark.soak
def test_without_restarts_a_killed_process_is_named(tmp_path, tiny_file):
    run = tmp_path / "run"
    job = Torchrun(tmp_path, "train", tiny_file, "--run-dir", run, "--set", "train.epochs=3000")
    wait_for(lambda: list(run.glob("checkpoints/step_*")))
    pid = wait_for(lambda: job.rank(1))
    os.kill(pid, signal.SIGKILL)
    code, printed = job.wait()
    assert code != 0
    assert f"error: rank 1 ({os.uname().nodename}, process {pid}) has ended" in printed
    assert "the same command continues after the newest checkpoint" in printed
