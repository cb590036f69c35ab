"""Whole trainings, through all stages: continued, on several ranks, translated, exported."""

import pytest

pytest.importorskip(
    "imtrans_pix2pixhd", reason="not installed: pip install -e plugins/imtrans-pix2pixhd"
)

import shutil
import sys

import torch
from forked_ranks import commands
from PIL import Image

import imtrans as package
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
