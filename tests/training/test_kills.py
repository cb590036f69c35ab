"""A training that is killed and started again ends as one that was not: bytes, log, samples."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drawn import write_pairs
from killing import CELLS, Trainer, command, differences, traces

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "sigtimedwait"), reason="needs fork and sigtimedwait, as Linux has"
)
KILLED = -signal.SIGKILL
SEED = 7


@pytest.fixture(scope="module")
def trainer():
    with Trainer() as trainer:
        yield trainer


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_pairs(folder / "train", 6)
    write_pairs(folder / "val", 2)
    return folder


@pytest.fixture(scope="module")
def whole(trainer, root, tmp_path_factory):
    """The traces and the seconds of an uninterrupted run of a cell, each trained once."""
    known = {}

    def train(cell):
        if cell not in known:
            run = tmp_path_factory.mktemp("whole") / "run"
            end = trainer.run(command(root, cell, run))
            assert end["code"] == 0, end["out"]
            known[cell] = traces(run), end["seconds"]
        return known[cell]

    return train


def finish(trainer, start, expected):
    """Start it again, uninterrupted: it must end as the whole run did."""
    end = trainer.run(start)
    assert end["code"] == 0, end["out"]
    assert "Traceback" not in end["out"]
    assert differences(Path(start[3]), expected) == []


@pytest.mark.parametrize("cell", CELLS)
def test_killed_at_random_instants_it_ends_with_the_same_bytes(
    trainer, root, whole, tmp_path, cell
):
    draw = random.Random(f"{SEED} {cell}")
    expected, seconds = whole(cell)
    start, kills = command(root, cell, tmp_path / "run"), 0
    for _ in range(6):
        end = trainer.run(start, after=draw.uniform(0, seconds))
        assert end["code"] in (KILLED, 0), end["out"]
        kills += end["code"] == KILLED
        if end["code"] == 0:  # it was done before its time
            assert differences(tmp_path / "run", expected) == []
            shutil.rmtree(tmp_path / "run")
    assert kills >= 3
    finish(trainer, start, expected)


# At the n-th call of a function: what stands on the disk there is all that the next start has.
# The first checkpoint is that of step 0; the fourth, of step 6, has two before it to remove.
INSTANTS = {
    "before the run directory has its recipe": ("imtrans.runs.run_dir:write_whole", 1),
    "before a checkpoint's folder": ("imtrans.runs.checkpoint:_write", 1),
    "inside a checkpoint's first file": ("imtrans.runs.checkpoint:save_file", 8, "inside"),
    "inside a checkpoint's last file": ("imtrans.runs.checkpoint:save_file", 10, "inside"),
    "between two files of a checkpoint": ("imtrans.runs.checkpoint:save_file", 9, "before"),
    "before the checksums": ("imtrans.runs.checkpoint:write_sums", 5),
    "inside the checksums": ("imtrans.runs.checkpoint:write_sums", 5, "inside"),
    "before a rename": ("pathlib:Path.rename", 4),
    "after a rename": ("pathlib:Path.rename", 4, "after"),
    "while the best generator is replaced": ("pathlib:Path.rename", 5, "after"),
    "inside a removal": ("imtrans.runs.checkpoint:remove", 2, "inside"),
    "before the first record": ("imtrans.runs.journal:Journal.append", 1),
    "inside a record": ("imtrans.runs.journal:Journal.append", 5, "inside"),
    "inside the last record": ("imtrans.runs.journal:Journal.append", 15, "inside"),
    "after a record": ("imtrans.runs.journal:Journal.append", 6, "after"),
    "before the first validation": ("imtrans.training.validation:Validation.measure", 1),
    "during a validation": ("imtrans.training.validation:Validation._measured", 6),
    "after a validation": ("imtrans.training.loop:Sitting._validate", 3, "after"),
    "inside a sample": ("imtrans.runs.run_dir:write_whole", 3, "inside"),
    "before a sample has its name": ("os:replace", 4, "before"),
    "after the rehearsal": ("imtrans.training.loop:Sitting._rehearse", 1, "after"),
    "before the first step": ("imtrans.training.step.stepper:Stepping.__call__", 1),
    "after the last step": ("imtrans.training.step.stepper:Stepping.__call__", 12, "after"),
    "before the last checkpoint": ("imtrans.training.loop:Sitting._end", 1),
    "after the last checkpoint": ("imtrans.training.loop:Sitting._end", 1, "after"),
}


@pytest.mark.parametrize("instant", INSTANTS)
def test_killed_at_this_instant_it_ends_with_the_same_bytes(
    trainer, root, whole, tmp_path, instant
):
    cell = next(iter(CELLS))
    at, nth, *when = INSTANTS[instant]
    start = command(root, cell, tmp_path / "run")
    end = trainer.run(start, at=at, nth=nth, when=when[0] if when else "before")
    assert end["code"] == KILLED, end["out"]
    finish(trainer, start, whole(cell)[0])


@pytest.mark.parametrize(
    ("at", "when"),
    [("Writer.append", "after"), ("Writer.finish", "before"), ("Writer.finish", "after")],
)
def test_killed_while_it_builds_its_cache_it_builds_it_again(
    trainer, root, whole, tmp_path, at, when
):
    cell = "fast, 0 workers, ema, cache"
    start = command(root, cell, tmp_path / "run")
    end = trainer.run(start, at=f"imtrans.data.cache.cache:{at}", when=when)
    assert end["code"] == KILLED, end["out"]
    finish(trainer, start, whole(cell)[0])
    left = [path.name for path in (tmp_path / "run.caches").iterdir() if path.is_dir()]
    assert len(left) == 1, left


@pytest.mark.parametrize(
    ("at", "nth", "when"),
    [
        *(("imtrans.runs.checkpoint:tidy", 1, when) for when in ("before", "after")),
        *(("os:replace", nth, when) for nth in (1, 2, 3) for when in ("before", "after")),
    ],
)
def test_killed_while_it_takes_up_a_run_it_takes_it_up_again(
    trainer, root, whole, tmp_path, at, nth, when
):
    """A second kill, while the start after a first one mends what that one left."""
    cell = next(iter(CELLS))
    start = command(root, cell, tmp_path / "run")
    trainer.run(start, at="pathlib:Path.rename", nth=5, when="after")
    end = trainer.run(start, at=at, nth=nth, when=when)
    assert end["code"] == KILLED, end["out"]
    finish(trainer, start, whole(cell)[0])


def test_killed_in_its_first_seconds_it_starts_as_if_never_before(trainer, root, whole, tmp_path):
    """From outside, a process as a user starts it: most of these instants are inside imports."""
    cell = next(iter(CELLS))
    start = command(root, cell, tmp_path / "run")
    for seconds in (0.02, 0.3, 0.9):
        with subprocess.Popen(
            [sys.executable, "-m", "imtrans", *start],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            time.sleep(seconds)
            process.kill()
    finish(trainer, start, whole(cell)[0])
