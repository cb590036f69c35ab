"""What the tests share: tiny recipes and pairs, real images if there are any, the command line."""

import gc
import os
import shutil
import signal
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

# The networks of the tests are tiny; threads only wait for each other on a busy machine. Processes
# that a test starts read this too.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["WANDB_MODE"] = "offline"  # nothing is uploaded, wherever somebody is logged in
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import pytest
import torch
import typer.main
from counted_once import counted_once
from resealing import reseal_folder
from tiny_recipe import write_tiny

from imtrans.benchmark import rates
from imtrans.benchmark.rounds import in_turns
from imtrans.cli.main import main
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.translation import together

torch.set_num_threads(1)

# A busy machine is no failure: no example has to be quick. `make soak` takes the other profile. The
# tests on a GPU need no hypothesis, and may run where it is not installed.
with suppress(ModuleNotFoundError):
    from hypothesis import settings

    settings.register_profile("ci", deadline=None, max_examples=20)
    settings.register_profile("soak", deadline=None, max_examples=200)
    settings.load_profile("ci")

# Of this process every command is asked for again and again; to put them together takes longer than
# many of them.
typer.main.get_command = cache(typer.main.get_command)

# Each training counts what its generator takes in memory, in a sixth of its time: for those that
# are built alike once is enough.
together.bytes_per_pixel = counted_once(together.bytes_per_pixel)

# In the background of a shell, or under nohup, these are ignored, and by all that a test starts.
for number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler)

ROOT = Path(__file__).parent.parent


def pytest_collection_finish():
    """What is imported by now stays: no collection of garbage has to look through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_caches(tmp_path, monkeypatch):
    """Caches of pixels go where the test's other files are."""
    monkeypatch.setenv("IMTRANS_CACHE", str(tmp_path / "caches"))


@pytest.fixture(autouse=True)
def no_service_left():
    """The logger wandb starts a process that serves all its runs: none reaches the next test."""
    yield
    if wandb := sys.modules.get("wandb"):
        wandb.teardown()


@pytest.fixture
def tiny_engine():
    """The engine of the tiny recipe. The others are tried on a batch before the first step, which
    takes longer than its training; where the engine matters, as in tests/training, it is "auto"."""
    return "plain"


@pytest.fixture
def tiny_file(tmp_path, tiny_engine):
    """A recipe file that trains in a moment."""
    return write_tiny(tmp_path, tiny_engine)


@pytest.fixture
def pairs(tmp_path, tiny_file):
    """The data set of the tiny recipe."""
    return tmp_path / "pairs"


@pytest.fixture
def tiny(tiny_file):
    return recipes.read(tiny_file, catalog=catalog())


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory):
    """A folder in which the tiny recipe was trained to its end; to be copied, and left as it is."""
    folder = tmp_path_factory.mktemp("trained")
    fit(Task(recipes.read(write_tiny(folder), catalog=catalog()), catalog()), folder / "run")
    return folder


@pytest.fixture
def finished_run(trained_once, pairs):
    """Copies a finished run of the tiny recipe to a path: 12 steps in 2 epochs, with checkpoints of
    steps 8 and 12."""

    def copied(path):
        shutil.copytree(trained_once / "run", path)
        recipe = path / "recipe.toml"  # as if it had been trained here
        root = (trained_once / "pairs").as_posix()

        def moved(text):
            return text.replace(root, pairs.as_posix())

        recipe.write_text(moved(recipe.read_text()))
        for checkpoint in path.glob("checkpoints/*"):
            reseal_folder(checkpoint, lambda facts: facts | {"recipe": moved(facts["recipe"])})
        return path

    return copied


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


@pytest.fixture
def quick_bench(monkeypatch):
    """Has `imtrans bench` measure for too short to be exact."""
    monkeypatch.setattr("imtrans.benchmark.training.SECONDS", 0.01)
    monkeypatch.setitem(rates.SIDES, "cpu", 64)
    monkeypatch.setattr("imtrans.benchmark.rates.LEAST", 0.0)
    monkeypatch.setattr(in_turns, "__defaults__", (0.001,))
    for room in ("benchmark.training", "checking.cost"):
        monkeypatch.setattr(f"imtrans.{room}.peak", lambda *_: 7 * 10**6)


@pytest.fixture(scope="session")
def real_data():
    """The folder of real pairs, which do not belong to the repository."""
    folder = Path(os.environ.get("IMTRANS_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real pairs here: set IMTRANS_TEST_DATA to a folder that holds them")
    return folder
