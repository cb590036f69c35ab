"""What the tests of this plugin share: a recipe that trains in a moment."""

import os
import sys

os.environ["OMP_NUM_THREADS"] = "1"  # of processes that a test starts, too

import pytest
import torch
from drawn import write_pairs

from imtrans.cli.main import main
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import read
from imtrans.task import Task
from imtrans.training.fit import fit

torch.set_num_threads(1)  # the threads of more would be missing in a fork, which waits for them

TINY = """
requires = ["imtrans-bridge"]

[data]
root      = "{root}"
load_size = 36
crop_size = 32
workers   = 0

[method]
name = "bridge"
size = "tiny"
nfe  = 3

[train]
epochs           = 2
batch_size       = 2
learning_rate    = 1e-3
precision        = "fp32"
log_every        = 2
sample_every     = 4
checkpoint_every = 2
keep_last        = 9
"""


def write_tiny(folder):
    """Six pairs to train on and two for validation, 40 x 40 px."""
    for split, count in (("train", 6), ("val", 2)):
        write_pairs(folder / "pairs" / split, count, (40, 40))
    path = folder / "tiny.toml"
    path.write_text(TINY.format(root=(folder / "pairs").as_posix()))
    return path


@pytest.fixture(autouse=True, scope="module")
def small_shape():
    """The size "tiny" is smaller still, with a level and channels less."""
    network = pytest.importorskip("imtrans_bridge.network")
    with pytest.MonkeyPatch.context() as patch:
        small = network.SHAPES["tiny"]._replace(width=8, factors=(1, 2))
        patch.setitem(network.SHAPES, "tiny", small)
        yield


@pytest.fixture
def tiny_file(tmp_path, monkeypatch):
    monkeypatch.setenv("IMTRANS_CACHE", str(tmp_path / "caches"))
    return write_tiny(tmp_path)


@pytest.fixture
def task_of(tiny_file):
    """The task of the tiny recipe, changed as --set would."""
    return lambda *changes: Task(read(tiny_file, changes, catalog()), catalog())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A task, and the folder in which it was trained to its end, to be left as it is."""
    folder = tmp_path_factory.mktemp("whole")
    changes = ("train.ema=0.9", "train.engine=plain")
    task = Task(read(write_tiny(folder), changes, catalog()), catalog())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMTRANS_CACHE", str(folder / "caches"))
        fit(task, folder / "run")
    return task, folder / "run"


@pytest.fixture
def imtrans(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty working folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["imtrans", *map(str, arguments)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
