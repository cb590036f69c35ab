"""What `train --dry-run` predicts, and that it leaves no trace."""

import io
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from real_memory import taken_by_training
from rich.console import Console

from imtrans.benchmark.memory import peak
from imtrans.benchmark.own_process import in_own_process
from imtrans.checking import plan as plans
from imtrans.cli.plan import lines
from imtrans.data.cache.store import entries
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.run_dir import alone_in
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.engine import choose_engine

CPU = torch.device("cpu")
MB = 1_000_000
READABLE = Path("/proc/self/status").exists()


@pytest.fixture(autouse=True)
def no_processes(monkeypatch):
    """Memory is not measured, which takes two processes: each image takes 3 MB."""

    def quick(recipe, engine, device):
        return 10 * MB + 3 * MB * recipe.train.batch_size

    monkeypatch.setattr("imtrans.checking.cost.peak", quick)


@pytest.fixture
def measuring(monkeypatch, no_processes):
    """Memory is measured as it is outside of these tests."""
    monkeypatch.setattr("imtrans.checking.cost.peak", peak)


def read(tiny_file, *overrides):
    return recipes.read(tiny_file, overrides, catalog())


def predicted(recipe, run, **options):
    options = {"device": "cpu", "fresh": False, "say": lambda line: None} | options
    return plans.plan(Task(recipe, catalog()), run, **options)


def trained(recipe, run):
    return fit(Task(recipe, catalog()), run, console=Console(file=io.StringIO()))


def state_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in (folder, *folder.rglob("*"))
    }


@pytest.mark.parametrize("tiny_engine", ["auto"])
def test_it_says_all_and_writes_nothing(imtrans, measuring, tiny_file, tmp_path):
    before = state_of(tmp_path)
    code, out, err = imtrans("train", tiny_file, "--dry-run", "--set", "train.epochs=4")
    assert (code, err) == (0, "")
    assert state_of(tmp_path) == before
    for part in (
        *('title = "tiny"', "epochs = 4", "learning_rate = 0.0002"),
        *(
            "6 to train on, 3 for validation",
            "generator      32,",
            "discriminator  ",
            "cpu, fast, fp32",
        ),
        *("runs/tiny: new\n", "6 an epoch, 24 in all\n", "checkpoints of ", "s a step on noise"),
        *("MB at the peak, measured; ", "GB are free"),
        "would be built: about 1",
    ):
        assert part in out, part


@pytest.mark.parametrize(
    "overrides",
    [
        ("data.cache=true",),
        *(
            pytest.param(changes, marks=pytest.mark.soak)
            for changes in (
                ("train.ema=0.99", "train.accumulate=2", "train.batch_size=2"),
                ("train.engine=plain", "train.deterministic=true", "generator.norm=batch"),
                ("train.engine=fast", "train.compile=true", "data.cache=false"),
            )
        ),
    ],
)
def test_nothing_is_written_whatever_the_recipe(imtrans, tiny_file, tmp_path, overrides):
    before = state_of(tmp_path)
    options = [part for key in overrides for part in ("--set", key)]
    for more in ([], ["--fresh"], ["--run-dir", "deep/below/run"]):
        code, _, err = imtrans("train", tiny_file, "--dry-run", *options, *more)
        assert (code, err) == (0, "")
    assert state_of(tmp_path) == before


def test_what_is_predicted_comes_true(tiny_file, tmp_path):
    recipe = read(tiny_file, "data.cache=true", "train.ema=0.9")
    found = predicted(recipe, tmp_path / "run")
    assert trained(recipe, tmp_path / "run").step == found.progress.left == 12
    (cache,) = entries()
    assert f"about {cache.about.bytes / 1e3:.0f} kB" in found.cache
    assert predicted(recipe, tmp_path / "run").cache.startswith("there already")
    (one, *_) = checkpoints(tmp_path / "run")
    real = sum(file.stat().st_size for file in one.iterdir())
    # Headers, with the recipe and the names of tensors, and the random state come on top.
    assert found.disk.checkpoint < real < found.disk.checkpoint + 100_000
    assert found.disk.count == 3
    best = tmp_path / "run" / "checkpoints" / "best"
    real = sum(file.stat().st_size for file in best.iterdir())
    assert found.disk.best < real < found.disk.best + 100_000


@pytest.mark.parametrize("fresh", [False, True])
def test_a_run_that_is_there_would_be_continued_or_moved_aside(tiny_file, tmp_path, fresh):
    trained(read(tiny_file), tmp_path / "run")
    before = state_of(tmp_path)
    found = predicted(read(tiny_file, "train.epochs=3"), tmp_path / "run", fresh=fresh).progress
    assert (found.done, found.left) == ((0, 18) if fresh else (12, 6))
    assert ("would be renamed" if fresh else "would continue after step 12") in found.run
    assert state_of(tmp_path) == before


def test_a_run_in_use_is_reported_and_left_alone(imtrans, tiny_file, tmp_path):
    with alone_in(tmp_path / "runs" / "tiny"):
        code, out, _ = imtrans("train", tiny_file, "--dry-run")
    assert code == 0
    assert "runs/tiny: new. another process trains there now" in out


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.root=nowhere", "nowhere: no such folder"),
        ("data.crop_size=50", "crop_size is 50"),
        ("train.init_from=nowhere", "nowhere: no such checkpoint"),
        ("generator.nmae=x", "did you mean 'name'"),
    ],
)
def test_what_training_refuses_is_refused(imtrans, tiny_file, tmp_path, override, said):
    code, _, err = imtrans("train", tiny_file, "--dry-run", "--set", override)
    assert (code, said in err, "Traceback" in err) == (2, True, False)


def test_another_recipe_in_the_run_is_refused(imtrans, tiny_file, tmp_path):
    trained(read(tiny_file), tmp_path / "runs" / "tiny")
    code, _, err = imtrans("train", tiny_file, "--dry-run", "--set", "seed=1")
    assert (code, "another recipe was trained there" in err) == (2, True)


LARGER = (
    "data.crop_size=128",
    "data.load_size=140",
    "generator.width=24",
    "discriminator.width=24",
)


@pytest.mark.soak
@pytest.mark.skipif(not READABLE, reason="no /proc here")
def test_the_memory_measured_is_what_a_training_takes(tiny_file, tmp_path, measuring):
    keys = (*LARGER, "train.batch_size=3", "train.accumulate=2", "train.ema=0.9", "train.epochs=1")
    found = predicted(read(tiny_file, *keys), tmp_path / "run")
    real = in_own_process(taken_by_training, tiny_file, keys, tmp_path / "run")
    assert real > 80 * MB
    assert found.memory == pytest.approx(real, rel=0.2)


@pytest.mark.soak
def test_a_batch_that_fits_no_machine_is_reported_by_this_one(
    tiny_file, tmp_path, measuring, monkeypatch
):
    """Measured with one image and with a few, and no step of it is tried in this process."""
    monkeypatch.setattr(plans, "tried_step", None)
    found = predicted(read(tiny_file, "train.batch_size=10000000"), tmp_path / "run")
    text = "\n".join(lines(found))
    assert (found.fits, found.seconds) == (False, None)
    assert found.memory > 10_000_000 * 3 * 64 * 64 * 4
    assert "too little: use a smaller train.batch_size with train.accumulate" in text
    assert "not measured, since it would not fit" in text
    # The rest is known all the same.
    assert found.disk.checkpoint > 3 * 4 * sum(found.networks.values())


@pytest.mark.parametrize("tiny_engine", ["auto"])
def test_the_engine_shown_is_the_one_that_will_train(tiny_file, tmp_path, monkeypatch):
    """It had been shown as asked for, below the line that it cannot be used."""
    real = plans.tried_step

    def too_inexact(method, engine, train, batch, say):
        say("note: bf16 is too inexact for this network")
        return real(method, replace(engine, precision="fp32"), train, batch, say)

    monkeypatch.setattr(plans, "tried_step", too_inexact)
    said = []
    recipe = read(tiny_file, "train.precision=bf16")
    found = predicted(recipe, tmp_path / "run", say=said.append)
    assert said == ["note: bf16 is too inexact for this network"]
    assert "engine         cpu, fast, fp32" in "\n".join(lines(found))


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.thorough
def test_a_measurement_that_the_machine_kills_is_an_answer(tiny_file, tmp_path, monkeypatch):
    monkeypatch.setattr("imtrans.checking.cost.peak", lambda *parts: in_own_process(kill_itself))
    found = predicted(read(tiny_file), tmp_path / "run")
    assert (found.memory, found.fits, found.seconds) == (None, False, None)
    assert "more than there is; " in "\n".join(lines(found))


def test_what_is_free_decides_whether_it_fits(tiny_file, tmp_path, monkeypatch):
    recipe = read(tiny_file, "train.batch_size=5")
    for free, fits in ((25 * MB, True), (25 * MB - 1, False), (None, True)):
        monkeypatch.setattr(plans, "free_memory", lambda device, free=free: free)
        found = predicted(recipe, tmp_path / "run")
        assert (found.memory, found.fits) == (25 * MB, fits)
        assert ("too little" in "\n".join(lines(found))) != fits


def test_where_memory_cannot_be_measured_it_says_so_and_goes_on(tiny_file, tmp_path, monkeypatch):
    monkeypatch.setattr("imtrans.checking.cost.peak", lambda *parts: None)
    found = predicted(read(tiny_file), tmp_path / "run")
    assert found.fits
    assert found.seconds is not None
    assert "not measured here; " in "\n".join(lines(found))


@pytest.mark.thorough
def test_accumulation_is_measured_as_such_and_uncompiled(tiny_file, tmp_path, monkeypatch):
    asked = []

    def noting(recipe, engine, device):
        asked.append((recipe.train.batch_size, recipe.train.accumulate, recipe.train.compile))
        return MB

    monkeypatch.setattr("imtrans.checking.cost.peak", noting)
    keys = ("train.batch_size=8", "train.accumulate=4", "train.compile=true")
    predicted(read(tiny_file, *keys), tmp_path / "run")
    assert asked == [(4, 2, False), (1, 2, False)]


@pytest.mark.parametrize("tiny_engine", ["auto"])
def test_a_compiled_engine_is_named_but_not_compiled(tiny_file, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", None)
    recipe = read(tiny_file, "train.compile=true")
    assert choose_engine(recipe.train, CPU).compiled
    text = "\n".join(lines(predicted(recipe, tmp_path / "run")))
    assert "fp32, compiled" in text
    assert "not compiled as training will be" in text


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.cache=false", "none, since data.cache = false"),
        ("train.epochs=2", "none: it pays from 3 epochs on"),
        ("data.cache_limit=0.00001", "none: "),
    ],
)
def test_why_there_will_be_no_cache(tiny_file, tmp_path, override, said):
    recipe = read(tiny_file, "train.epochs=4", override)
    assert predicted(recipe, tmp_path / "run").cache.startswith(said)


def test_real_pairs_are_predicted(imtrans, real_data):
    small = ["generator.name=resnet_6", "generator.width=4", "discriminator.width=4"]
    small += [f"data.root={real_data / 'facades'}", "data.load_size=72", "data.crop_size=64"]
    overrides = [part for key in small for part in ("--set", key)]
    code, out, err = imtrans("train", "facades", "--dry-run", *overrides)
    assert (code, err) == (0, "")
    assert "400 to train on, 100 for validation" in out
    assert "400 an epoch, 80000 in all" in out
