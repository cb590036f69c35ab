"""Runs of format 1, which imtrans 0.1.0 wrote, still translate and continue."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn import draw_picture, write_pairs
from PIL import Image

from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.header import FORMAT, read_headers
from imtrans.task import Task
from imtrans.training.fit import fit

WRITTEN = Path(__file__).parents[1] / "given" / "format_1"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The run as it was interrupted, beside its pairs."""
    monkeypatch.chdir(tmp_path)
    write_pairs(Path("pairs/train"), 2)
    write_pairs(Path("pairs/val"), 1)
    return Path(shutil.copytree(WRITTEN / "run", "run"))


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_its_checkpoint_translates_as_it_did(imtrans, run, tmp_path):
    draw_picture(5, (32, 32)).save("source.png")
    arguments = ("translate", "--checkpoint", run, "source.png", "--output", "out")
    code, _, err = imtrans(*arguments, "--device", "cpu", "--precision", "fp32")
    assert code == 0
    assert "does not say at which scale it was trained" in err
    with Image.open("out/source.png") as found, Image.open(WRITTEN / "translated.png") as expected:
        difference = np.asarray(found, np.int16) - np.asarray(expected, np.int16)
    assert np.abs(difference).max() <= 1


def test_it_continues_with_the_losses_it_would_have_had(run, capsys):
    before = recipes.read(run / "recipe.toml", old=True)
    assert before.method.options == {"discriminator_steps": 2, "discriminator_rate": 0.5}
    outcome = fit(Task(before, catalog()), run, device="cpu")
    assert "continuing after run/checkpoints/step_00000003" in capsys.readouterr().out
    assert outcome.step == 4
    # What validation measures is another than then: results of the size of the files.
    (*_, expected), (*_, found) = rows(WRITTEN / "run/metrics.jsonl"), rows(run / "metrics.jsonl")
    for key in expected.keys() - {"images_per_second", "waiting"}:
        assert found[key] == pytest.approx(expected[key], rel=1e-4), key


def test_what_it_writes_from_then_on_is_of_today(run):
    outcome = fit(Task(recipes.read(run / "recipe.toml", old=True), catalog()), run, device="cpu")
    headers = read_headers(outcome.checkpoint)
    assert {header.facts["format"] for header in headers} == {FORMAT}
    assert recipes.read(run / "recipe.toml", catalog=catalog()).validation.keep_best == "psnr"


def test_its_recipe_continues_it_once_its_keys_are_renamed(imtrans, run):
    """What a person does with a recipe of that time: the errors say how."""
    code, _, err = imtrans("train", run / "recipe.toml", "--run-dir", run, "--device", "cpu")
    assert (code, "is now called" in err) == (2, True)
    new = recipes.dumps(recipes.read(run / "recipe.toml", old=True))
    Path("new.toml").write_text(new)
    code, out, err = imtrans("train", "new.toml", "--run-dir", run, "--device", "cpu")
    assert (code, err) == (0, "")
    assert "continuing after run/checkpoints/step_00000003" in out


def test_it_is_inspected_and_listed(imtrans, run):
    code, out, _ = imtrans("inspect", run)
    assert code == 0
    assert "step" in out
    shutil.copytree(run, "runs/old")
    code, out, _ = imtrans("runs", "list")
    assert (code, "old" in out) == (0, True)
