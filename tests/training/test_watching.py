"""What is measured while training, what is kept because of it, and what is said."""

import json
import math
import re

import pytest
import torch
from drawn import write_pairs
from steps import step_of

from imtrans.api.advice import LONG
from imtrans.api.errors import ImtransError
from imtrans.api.listener import Measured
from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.components.metrics.pixel_metrics import EQUAL
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.defaults import METRICS
from imtrans.runs.best import Best
from imtrans.runs.header import read_header
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.validation import Validation


@pytest.fixture
def tiny_engine():
    """Any will do here."""
    return "plain"


def read(file, *overrides):
    return recipes.read(file, overrides, catalog())


def rows(run, file="validation.jsonl"):
    return [json.loads(line) for line in (run / file).read_text().splitlines()]


def image(seed, size=32):
    return torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def measure(*pairs):
    """The metrics that a recipe has by itself over pairs (output, target)."""
    found = {}
    for name in METRICS:
        metric = catalog().metrics[name].build()
        for output, target in pairs:
            metric.update(output, target)
        found[name] = metric.compute()
    return found


def test_metrics_are_those_of_their_definitions():
    fake, target = image(0), image(1)
    found = measure((fake, target))
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
    assert measure((fake, target))["ssim"] == pytest.approx(float(by_hand.mean()), abs=1e-4)


def test_equal_images_have_a_number_that_json_bears():
    found = measure((image(0), image(0)))
    assert (found["l1"], found["psnr"]) == (0, EQUAL)
    assert found["ssim"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("metric", ["l1", "psnr", "ssim"])
def test_a_metric_is_the_mean_over_images_and_forgets_them_when_reset(metric):
    one, other = (image(0), image(1)), (image(2), image(3))
    alone = [measure(pair)[metric] for pair in (one, other)]
    assert measure(one, other)[metric] == pytest.approx(sum(alone) / 2)
    batched = tuple(torch.cat(sides) for sides in zip(one, other, strict=True))
    assert measure(batched)[metric] == pytest.approx(sum(alone) / 2)
    kept = catalog().metrics[metric].build()
    kept.update(*one)
    kept.reset()
    kept.update(*other)
    assert kept.compute() == alone[1]


def test_an_image_too_small_for_a_metric_is_left_out_of_its_mean():
    small = (image(0, 10), image(0, 10))
    assert math.isnan(measure(small)["ssim"])
    pair = (image(0), image(1))
    assert measure(small, pair)["ssim"] == measure(pair)["ssim"]
    assert math.isnan(measure()["l1"])


def test_a_metric_without_a_value_is_not_in_the_log(tiny_file, pairs, tmp_path):
    for split in ("train", "val"):
        write_pairs(pairs / split, 3, (8, 8))  # too small for the window of SSIM
    small = ("data.crop_size=8", "data.load_size=8", "discriminator.name=pixel")
    fit(Task(read(tiny_file, *small), catalog()), tmp_path / "run")
    assert {tuple(row) for row in rows(tmp_path / "run")} == {("step", "epoch", "l1", "psnr")}


@pytest.mark.parametrize(
    ("higher", "values"),
    [(False, [0.5, 0.6, 0.4, 0.4]), (True, [10, 9, 12, 12])],
)
def test_the_best_is_the_best_by_its_metric(higher, values):
    best = Best()
    noted = [best.note(v, step, higher_is_better=higher) for step, v in enumerate(values, 1)]
    assert noted == [True, False, True, False]
    assert (best.value, best.step, best.since) == (values[2], 3, 1)
    assert Best.loads(best.dumps()) == best
    assert Best.loads(None) == Best()


@pytest.fixture
def measured(monkeypatch):
    """Makes validations give these values, one after the other; the first is that of step 0."""

    def give(*values, metric="l1", higher=False):
        given = iter(values)

        def measure(self):
            return {metric: Measured(next(given), higher)}

        monkeypatch.setattr(Validation, "found", measure)

    return give


def test_the_best_generator_is_kept(tiny_file, tmp_path, measured):
    measured(9, 0.5, 0.3, 0.4, 0.6)
    keep = ("validate.every=3", "train.checkpoint_every=3", "train.keep_last=9")
    fit(Task(read(tiny_file, *keep), catalog()), tmp_path / "run")
    folder = tmp_path / "run" / "checkpoints"
    best = read_header(folder / "best" / "generator.safetensors")
    assert best.step == 6
    one, other = (
        read_tensors(folder / d / "generator.safetensors") for d in ("best", "step_00000006")
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    assert [row["l1"] for row in rows(tmp_path / "run")] == [9, 0.5, 0.3, 0.4, 0.6]


def test_the_best_may_be_the_greatest_of_another_metric(tiny_file, tmp_path, measured):
    measured(0.9, 0.1, 0.4, 0.3, 0.2, metric="ssim", higher=True)
    keys = ("validate.every=3", "validate.metrics=['ssim', 'l1']")
    fit(Task(read(tiny_file, *keys), catalog()), tmp_path / "run")
    kept = tmp_path / "run" / "checkpoints" / "best" / "generator.safetensors"
    assert read_header(kept).step == 6


def test_the_recipe_names_the_metrics_and_may_keep_none_of_the_generators(tiny_file, tmp_path):
    keys = ("validate.metrics=['ssim', 'l1']", "validate.keep_best=false")
    fit(Task(read(tiny_file, *keys), catalog()), tmp_path / "run")
    assert {tuple(row) for row in rows(tmp_path / "run")} == {("step", "epoch", "ssim", "l1")}
    assert not (tmp_path / "run" / "checkpoints" / "best").exists()


def test_the_best_so_far_survives_an_interruption(tiny_file, tmp_path, measured):
    keys = ("validate.every=3", "train.checkpoint_every=3")
    measured(9, 0.3, 0.5)
    fit(Task(read(tiny_file, *keys, "train.epochs=1"), catalog()), tmp_path / "run")
    measured(0.4, 0.6)
    fit(Task(read(tiny_file, *keys), catalog()), tmp_path / "run")
    best = tmp_path / "run" / "checkpoints" / "best" / "generator.safetensors"
    assert read_header(best).step == 3


def test_training_stops_when_patience_is_lost(tiny_file, tmp_path, measured, capsys):
    measured(9, 0.3, 0.4, 0.5, 0.6)
    keys = ("validate.every=2", "validate.patience=2")
    outcome = fit(Task(read(tiny_file, *keys), catalog()), tmp_path / "run")
    assert outcome.step == 6
    assert outcome.checkpoint.is_dir()
    assert "2 validations since step 2 were no better" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("validate.patience=2,validate.keep_best=false", "patience needs a metric"),
        ("validate.keep_best=fid", "'fid' is not one of the metrics: 'l1', 'psnr', 'ssim'"),
        ("validate.metrics=['inception_score']", "inception_score"),
        ("validate.metrics=['l1', 'l1']", "'l1' appears more than once"),
        ("validate.every=0", "validate.every"),
        ('validate.every="some epochs"', "validate.every"),
    ],
)
def test_what_cannot_be_measured_is_refused(tiny_file, override, said):
    keys = override.split(",") if "metrics" not in override else [override]
    with pytest.raises(ImtransError) as caught:
        read(tiny_file, *keys)
    assert said in str(caught.value)


@pytest.mark.parametrize(("usual", "steps"), [(1000, [0, 6, 12]), (4, [0, 4, 8, 12])])
def test_validation_comes_once_an_epoch_or_more_often(
    tiny_file, tmp_path, monkeypatch, usual, steps
):
    monkeypatch.setattr("imtrans.training.loop.USUAL", usual)
    fit(Task(read(tiny_file), catalog()), tmp_path / "run")
    assert [row["step"] for row in rows(tmp_path / "run")] == steps


def test_a_run_of_the_older_default_continues(imtrans, tiny_file, tmp_path):
    """Until the default was "auto", a checkpoint's recipe said 1000."""
    fit(Task(read(tiny_file, "validate.every=1000", "train.epochs=1"), catalog()), tmp_path / "run")
    code, out, err = imtrans("train", tiny_file, "--run-dir", "run")
    assert (code, err) == (0, "")
    assert "continuing after run/checkpoints/step_00000006" in out


def test_the_refusal_of_another_recipe_shows_only_what_binds(imtrans, tiny_file, tmp_path):
    fit(Task(read(tiny_file, "validate.every=1000", "train.epochs=1"), catalog()), tmp_path / "run")
    keys = ("seed=1", "train.log_every=3", "title=other")
    code, _, err = imtrans(
        "train", tiny_file, "--run-dir", "run", *(part for key in keys for part in ("--set", key))
    )
    assert code == 2
    changed = [line.strip() for line in err.splitlines() if re.match(r"  [-+]\w", line)]
    assert changed == ["-seed = 0", "+seed = 1"]


def test_intervals_may_be_epochs(tiny_file, tmp_path):
    keys = ('validate.every="1 epoch"', 'train.checkpoint_every="2 epochs"')
    fit(Task(read(tiny_file, *keys, "train.epochs=3"), catalog()), tmp_path / "run")
    assert [row["step"] for row in rows(tmp_path / "run")] == [0, 6, 12, 18]


@pytest.fixture
def advice(tiny):
    """What pix2pix has to say about a reading of the losses."""
    method = step_of(tiny).method
    return lambda **losses: list(method.advice(losses))


def test_a_discriminator_that_has_won_is_reported_once_each_time_it_begins(advice):
    said = [advice(d=1e-3, g=5.0) for _ in range(2 * LONG)]
    assert [bool(warnings) for warnings in said] == [n == LONG - 1 for n in range(2 * LONG)]
    (warning,) = said[LONG - 1]
    assert warning.startswith("warning: discriminator loss below 0.01 for 20 log lines")
    assert not advice(d=0.5, g=1.0)
    again = [advice(d=1e-3, g=5.0) for _ in range(LONG)]
    assert sum(map(bool, again)) == 1


def test_only_a_loss_that_no_longer_moves_has_plateaued(advice):
    assert not any(advice(d=0.6, g=1.0, l1=1 / (n + 1)) for n in range(4 * LONG))
    said = [advice(d=0.6, g=1.0, l1=0.1) for _ in range(4 * LONG)]
    (warning,) = (line for lines in said for line in lines)
    assert "l1 has plateaued at 0.1" in warning


def test_advice_is_shown_and_training_goes_on(tiny_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Pix2Pix, "advice", lambda self, losses: [f"warning: {sorted(losses)}"])
    assert fit(Task(read(tiny_file), catalog()), tmp_path / "run").step == 12
    assert capsys.readouterr().out.count("warning: ['d', 'g', 'l1']") == 6
