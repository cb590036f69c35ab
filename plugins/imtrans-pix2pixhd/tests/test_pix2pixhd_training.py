"""Whole trainings, through all stages: continued, on several ranks, translated, exported."""

import pytest

pytest.importorskip(
    "imtrans_pix2pixhd", reason="not installed: pip install -e plugins/imtrans-pix2pixhd"
)

import shutil
import sys

import torch
from forked_ranks import commands
from imtrans_pix2pixhd.stages import Stage
from PIL import Image

import imtrans as package
from imtrans.checking import plan as plans
from imtrans.cli.plan import lines
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import read
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit


def tensors(folder):
    return {
        f"{path.stem}/{key}": tensor
        for path in sorted(folder.glob("*.safetensors"))
        for key, tensor in read_tensors(path).items()
    }


@pytest.mark.parametrize(
    "kept",
    [
        2,  # in the first epoch
        pytest.param(3, marks=pytest.mark.thorough),  # where the second stage begins
        4,  # within it
        pytest.param(6, marks=pytest.mark.thorough),
    ],
)
def test_a_continued_run_ends_with_the_tensors_of_an_uninterrupted_one(whole, tmp_path, kept):
    task, run, resumed = *whole, tmp_path / "resumed"
    end = max(path.name for path in (run / "checkpoints").iterdir())
    shutil.copytree(run, resumed)
    for path in sorted((resumed / "checkpoints").iterdir())[kept:]:
        shutil.rmtree(path)
    fit(task, resumed)
    one, other = (tensors(each / "checkpoints" / end) for each in (run, resumed))
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    assert int(one["generator/level"]) == 1


def test_every_checkpoint_translates_as_its_run_would(whole):
    _, run = whole
    for path in sorted((run / "checkpoints").iterdir()):
        translator = package.load(path)
        made = translator(Image.new("RGB", (80, 40), (200, 30, 90)))
        assert made.size == (80, 40)


@pytest.mark.parametrize(("epochs", "first"), [(2, 0), (1, 1)])
def test_a_run_from_the_weights_of_another_begins_at_its_own_stage(
    epochs, first, task_of, tmp_path
):
    fit(task_of("train.engine=plain", f"train.epochs={epochs}"), tmp_path / "before")
    start = (f"train.init_from={tmp_path / 'before'}", "train.engine=plain", "train.epochs=1")
    fit(task_of(*start, f"method.coarse_epochs={1 - first}"), tmp_path / "run")
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        assert int(tensors(path)["generator/level"]) == first


def test_a_dry_run_measures_all_stages(monkeypatch, task_of, tmp_path):
    asked = []
    seconds = {0: 1.0, 1: 4.0}

    def measured(task, say, step):
        asked.append(step.method.stage)
        return seconds[step.method.stage.level]

    monkeypatch.setattr(plans, "seconds_of", measured)
    monkeypatch.setattr("imtrans.checking.cost.peak", lambda recipe, engine, device: 1)
    task = task_of("train.epochs=6")
    found = plans.plan(task, tmp_path / "run", device="cpu", fresh=False, say=print)
    assert asked == [Stage(0, (0,)), Stage(1, (1,)), Stage(1, (0, 1))]
    assert found.seconds == (1 + 5 * 4.0) / 6
    assert "stages         3, from the epochs 1, 2 and 3" in "\n".join(lines(found))
    # Both levels have moments in the last stage alone.
    (end, *_) = sorted(fit(task, tmp_path / "run").checkpoint.parent.glob("step_*"), reverse=True)
    real = sum(file.stat().st_size for file in end.iterdir())
    assert found.disk.checkpoint < real < found.disk.checkpoint + 100_000


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_two_ranks_pass_all_stages_and_stay_equal(tiny_file, tmp_path):
    run = tmp_path / "run"
    ranks = commands(tmp_path / "ranks", 2, "train", tiny_file, "--run-dir", run).done()
    assert "6 steps trained" in ranks.out
    assert ranks.err == ""


@pytest.mark.thorough
@pytest.mark.parametrize("format", [pytest.param("onnx", marks=pytest.mark.soak), "pt2"])
def test_a_run_in_stages_is_exported(format, whole, tmp_path):
    _, run = whole
    package.export(run, tmp_path / f"generator.{format}")


@pytest.mark.parametrize(
    ("name", "crop", "channels"),
    [("facades_hd", (256, 256), 14), ("cityscapes_hd", (1024, 2048), 35)],
)
def test_the_recipes_are_the_papers(name, crop, channels):
    recipe = read(name, (), catalog())
    assert (recipe.data.crop, recipe.method.options["feature_matching"]) == (crop, 10)
    assert Task(recipe, catalog()).encoding.source_channels == channels  # of classes, and borders
    assert recipe.train.learning_rate == 2e-4
