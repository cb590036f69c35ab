"""What the tests share: tiny recipes and pairs, real images if there are any, the command line."""

import os
import sys
from pathlib import Path

import pytest
import torch
from drawn import write_pairs
from hypothesis import settings

from imtrans.cli.main import main
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog

# The networks of the tests are tiny; threads only wait for each other on a busy machine.
torch.set_num_threads(1)

# A busy machine is no failure: no example has to be quick.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

ROOT = Path(__file__).parent.parent

TINY = """
title = "tiny"

[data]
root = "{root}"
load_size = 72
crop_size = 64
workers = 0

[generator]
name = "resnet_6"
width = 4

[discriminator]
name = "patch_16"
width = 4

[adversarial]
name = "vanilla"

[[loss]]
name = "l1"
weight = 100.0

[train]
epochs = 2
precision = "fp32"
log_every = 2
sample_every = 3
checkpoint_every = 4
"""


@pytest.fixture(autouse=True)
def own_caches(tmp_path, monkeypatch):
    """Caches of pixels go where the test's other files are."""
    monkeypatch.setenv("IMTRANS_CACHE", str(tmp_path / "caches"))


@pytest.fixture
def pairs(tmp_path):
    """A data set of six training and three held-out pairs."""
    write_pairs(tmp_path / "pairs" / "train", 6)
    write_pairs(tmp_path / "pairs" / "val", 3)
    return tmp_path / "pairs"


@pytest.fixture
def tiny_file(tmp_path, pairs):
    """A recipe file that trains in a moment."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY.format(root=pairs.as_posix()))
    return path


@pytest.fixture
def tiny(tiny_file):
    return recipes.read(tiny_file, catalog=catalog())


@pytest.fixture
def imtrans(monkeypatch, capsys, tmp_path):
    """Call the command line in an empty working folder; returns (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["imtrans", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return (code or 0), captured.out, captured.err  # type: ignore[return-value]

    return call


@pytest.fixture(scope="session")
def real_data():
    """The folder of real pairs, which do not belong to the repository."""
    folder = Path(os.environ.get("IMTRANS_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real pairs here: set IMTRANS_TEST_DATA to a folder that holds them")
    return folder
