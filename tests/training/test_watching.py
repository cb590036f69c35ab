"""What is measured while training, what is kept because of it, and what is said."""

import json
import math

import pytest
import torch
from imtrans.training.warnings import LONG, Watch

from imtrans.api.errors import ImtransError
from imtrans.components.metrics.pixel_metrics import EQUAL, mean, measure
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.best import Best
from imtrans.runs.checkpoint import read_header, read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.validation import Validation


def read(file, *overrides):
    return recipes.read(file, overrides, catalog())


def rows(run, file="validation.jsonl"):
    return [json.loads(line) for line in (run / file).read_text().splitlines()]


def image(seed, size=32):
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_metrics_are_those_of_their_definitions():
    fake, target = image(0), image(1)
    found = measure(fake, target)
    assert found["l1"] == pytest.approx(float((fake - target).abs().mean()))
    error = float((((fake - target) / 2) ** 2).mean())
    assert found["psnr"] == pytest.approx(-10 * math.log10(error), rel=1e-5)
    assert -1 <= found["ssim"] < 0.5


def test_ssim_is_taken_where_its_window_lies_within_the_image():
    """By hand at the one place that an 11 px image has; sigma 1.5, K 0.01 and 0.03."""
    fake, target = image(2, 11), image(3, 11)
    x = torch.arange(11, dtype=torch.float64) - 5
    line = torch.exp(-(x**2) / (2 * 1.5**2))
    weights = torch.outer(line, line) / line.sum() ** 2
    a, b = ((side.double()[0] + 1) / 2 for side in (fake, target))
    mean_a, mean_b = ((weights * side).sum(dim=(1, 2)) for side in (a, b))
    var_a = (weights * a * a).sum(dim=(1, 2)) - mean_a**2
    var_b = (weights * b * b).sum(dim=(1, 2)) - mean_b**2
    both = (weights * a * b).sum(dim=(1, 2)) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    by_hand = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    by_hand /= (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    assert measure(fake, target)["ssim"] == pytest.approx(float(by_hand.mean()), abs=1e-4)


def test_equal_images_have_a_number_that_json_bears():
    found = measure(image(0), image(0))
    assert (found["l1"], found["psnr"]) == (0, EQUAL)
    assert found["ssim"] == pytest.approx(1, abs=1e-5)
    assert "ssim" not in measure(image(0, 10), image(0, 10))
    assert mean([{"l1": 1.0}, {"l1": 2.0}]) == {"l1": 1.5}


@pytest.mark.parametrize(
    ("metric", "values", "bests"),
    [
        ("l1", [0.5, 0.6, 0.4, 0.4], [True, False, True, False]),
        ("psnr", [10, 9, 12, 12], [True, False, True, False]),
    ],
)
def test_the_best_is_the_best_by_its_metric(metric, values, bests):
    best = Best()
    assert [best.note(metric, value, step) for step, value in enumerate(values, 1)] == bests
    assert (best.value, best.step, best.since) == (values[2], 3, 1)
    assert Best.loads(best.dumps()) == best
    assert Best.loads(None) == Best()


@pytest.fixture
def measured(monkeypatch):
    """Makes validations give these L1, one after the other; the first is that of step 0."""

    def give(*values):
        given = iter(values)
        monkeypatch.setattr(Validation, "measure", lambda self: {"l1": next(given)})

    return give


def test_the_best_generator_is_kept(tiny_file, tmp_path, measured):
    measured(9, 0.5, 0.3, 0.4, 0.6)
    keep = ("train.validate_every=3", "train.checkpoint_every=3", "train.keep_last=9")
    fit(Task(read(tiny_file, *keep), catalog()), tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints"
    best = read_header(folder / "best" / "generator.safetensors")
    assert best.step == 6
    one, other = (
        read_tensors(folder / d / "generator.safetensors") for d in ("best", "step_00000006")
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    assert [row["l1"] for row in rows(tmp_path / "run")] == [9, 0.5, 0.3, 0.4, 0.6]


def test_the_best_so_far_survives_an_interruption(tiny_file, tmp_path, measured):
    keys = ("train.validate_every=3", "train.checkpoint_every=3")
    measured(9, 0.3, 0.5)
    fit(Task(read(tiny_file, *keys, "train.epochs=1"), catalog()), tmp_path / "run")
    measured(0.4, 0.6)
    fit(Task(read(tiny_file, *keys), catalog()), tmp_path / "run")
    best = tmp_path / "run" / "checkpoints" / "best" / "generator.safetensors"
    assert read_header(best).step == 3


def test_training_stops_when_patience_is_lost(tiny_file, tmp_path, measured, capsys):
    measured(9, 0.3, 0.4, 0.5, 0.6)
    keys = ("train.validate_every=2", "train.patience=2")
    outcome = fit(Task(read(tiny_file, *keys), catalog()), tmp_path / "run")
    assert outcome.step == 6
    assert outcome.checkpoint.is_dir()
    assert "2 validations since step 2 were no better" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.patience=2,train.keep_best=false", "what is better?"),
        ("train.keep_best=fid", "train.keep_best"),
        ("train.validate_every=0", "train.validate_every"),
        ('train.validate_every="some epochs"', "train.validate_every"),
    ],
)
def test_what_cannot_be_watched_is_told(tiny_file, override, told):
    with pytest.raises(ImtransError) as caught:
        read(tiny_file, *override.split(","))
    assert told in str(caught.value)


def test_intervals_may_be_epochs(tiny_file, tmp_path):
    keys = ('train.validate_every="1 epoch"', 'train.checkpoint_every="2 epochs"')
    fit(Task(read(tiny_file, *keys, "train.epochs=3"), catalog()), tmp_path / "run")
    assert [row["step"] for row in rows(tmp_path / "run")] == [0, 6, 12, 18]


def test_a_won_game_is_said_once_each_time_it_begins():
    watch = Watch()
    said = [watch.warnings({"d": 1e-3, "g": 5.0}) for _ in range(2 * LONG)]
    assert [bool(warnings) for warnings in said] == [n == LONG - 1 for n in range(2 * LONG)]
    assert "the discriminator has won" in said[LONG - 1][0]
    assert not watch.warnings({"d": 0.5, "g": 1.0})
    again = [watch.warnings({"d": 1e-3, "g": 5.0}) for _ in range(LONG)]
    assert sum(map(bool, again)) == 1


def test_a_loss_that_moves_is_no_standstill():
    watch = Watch()
    falling = [watch.warnings({"d": 0.6, "l1": 1 / (n + 1)}) for n in range(4 * LONG)]
    assert not any(falling)
    still = [watch.warnings({"d": 0.6, "l1": 0.1}) for _ in range(4 * LONG)]
    (said,) = [warnings[0] for warnings in still if warnings]
    assert "l1 stands still at 0.1" in said
