"""Components as third parties write them, in whole trainings."""

import json
import math
from functools import partial

import pytest
import torch
import torchmetrics
from plugged import with_plugin
from steps import CPU, step_of
from torch import nn
from torchmetrics.image import PeakSignalNoiseRatio

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch, over_scales
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.header import read_header
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.accumulation import accumulated_step
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.trial import tried_step

ENGINES = [
    plain(CPU),
    pytest.param(Engine("fast", CPU), marks=pytest.mark.thorough),
    pytest.param(Engine("fast", CPU, "bf16"), marks=pytest.mark.thorough),
]


def batch(number=2):
    source = torch.rand(number, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return Batch(source, source * 0.5)


# --- metrics ---

METRICS = {
    "mse": torchmetrics.MeanSquaredError,
    "psnr_tm": partial(PeakSignalNoiseRatio, data_range=2.0),
}


def validations(run):
    return [json.loads(line) for line in (run / "validation.jsonl").read_text().splitlines()]


def test_a_torchmetric_is_a_metric_as_it_is(tiny_file, tmp_path):
    installed, run = with_plugin(metrics=METRICS), tmp_path / "run"
    keys = ("validate.metrics=['mse', 'psnr_tm', 'psnr']", "validate.keep_best=psnr_tm")
    recipe = recipes.read(tiny_file, [*keys, "validate.every=2"], installed)
    fit(Task(recipe, installed), run)
    rows = validations(run)
    assert [row["step"] for row in rows] == list(range(0, 13, 2))
    for row in rows:
        assert list(row) == ["step", "epoch", "mse", "psnr_tm", "psnr"]
        by_hand = 10 * math.log10(2.0**2 / row["mse"])
        assert row["psnr_tm"] == pytest.approx(by_hand, abs=1e-3)
        assert row["psnr_tm"] == pytest.approx(row["psnr"], rel=0.2)  # which is a mean of images
    best = max(rows[1:], key=lambda row: row["psnr_tm"])
    kept = read_header(run / "checkpoints" / "best" / "generator.safetensors")
    assert kept.step == best["step"]
    # A run with it continues like any other.
    longer = recipes.read(tiny_file, [*keys, "validate.every=2", "train.epochs=3"], installed)
    assert fit(Task(longer, installed), run).step == 18


def test_the_options_of_a_torchmetric_are_options_of_the_recipe(tiny_file):
    installed = with_plugin(metrics=METRICS)

    def metrics(table):
        keys = [f"validate.metrics=[{table}]"]
        return Task(recipes.read(tiny_file, keys, installed), installed).metrics()

    rooted = metrics('{name = "mse", squared = false}')["mse"]
    rooted.update(torch.full((1, 3, 4, 4), 0.3), torch.zeros(1, 3, 4, 4))
    assert float(rooted.compute()) == pytest.approx(0.3)
    with pytest.raises(ImtransError, match="'maybe' is not true or false"):
        metrics('{name = "mse", squared = "maybe"}')
    with pytest.raises(ImtransError, match="no key 'data_range'"):
        metrics('{name = "psnr_tm", data_range = 1.0}')  # the plugin has given it already


def test_a_metric_without_its_methods_breaks_its_contract(tiny_file, tmp_path):
    installed = with_plugin(metrics={"none": lambda: object()})
    recipe = recipes.read(tiny_file, ["validate.metrics=['none']"], installed)
    with pytest.raises(ImtransError, match="metric 'none' .* breaks its contract"):
        fit(Task(recipe, installed), tmp_path / "run")


# --- a discriminator of several scales ---


class TwoScales(nn.Module):
    """Judges an image, and the image at half its size."""

    receptive_field = 16

    def __init__(self, source_channels: int, target_channels: int) -> None:
        super().__init__()
        build = catalog().discriminators["patch_16"].build
        self.judges = nn.ModuleList(build(source_channels, target_channels, width=4) for _ in "ab")

    def forward(self, source, image):
        full, half = self.judges
        small = [nn.functional.avg_pool2d(side, 2) for side in (source, image)]
        return [(full(source, image), [image]), (half(*small), [small[1], source])]


SCALES = with_plugin(discriminators={"two_scales": TwoScales})


@pytest.fixture
def scaled(tiny_file):
    """A recipe whose discriminator has two scales."""
    text = tiny_file.read_text().replace('name = "patch_16"\nwidth = 4', 'name = "two_scales"')
    return recipes.parse(text, "tiny", ["adversarial.name=lsgan"], SCALES)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_a_discriminator_of_several_scales_trains(scaled, engine):
    task, said = Task(scaled, SCALES), []
    step = tried_step(task.method(CPU), engine, scaled.train, batch(), said.append)
    assert (step.engine, said) == (engine, [])
    before = {k: v.detach().clone() for k, v in step.method.named_parameters()}
    losses = [step(batch()) for _ in range(30)]
    assert list(losses[0]) == ["d", "g", "l1"]
    assert float(losses[-1]["l1"]) < float(losses[0]["l1"])
    moved = {k for k, v in step.method.named_parameters() if not torch.equal(v, before[k])}
    for part in ("generator.", "discriminator.judges.0.", "discriminator.judges.1."):
        assert any(name.startswith(part) for name in moved)


def test_the_loss_over_scales_is_the_mean_of_theirs(scaled):
    step = step_of(scaled, installed=SCALES)
    fake = step.make(batch()).detach()
    d, source, target = step.method.discriminator, *batch()
    rows = zip(d(source, target), d(source, fake), strict=True)
    lsgan = catalog().adversarial["lsgan"].build()
    by_hand = [lsgan.discriminator_loss(real[0], fake[0]) for real, fake in rows]
    (term,) = step.method.discriminate(batch(), fake)
    torch.testing.assert_close(term.value, (by_hand[0] + by_hand[1]) / 2)
    assert term.value != by_hand[0]
    logits = torch.ones(1, 1, 2, 2)
    assert over_scales(torch.mean, logits) == over_scales(torch.mean, [(logits, [])]) == 1


def test_a_run_with_several_scales_is_saved_and_continues(scaled, tmp_path):
    train = scaled.train
    first = scaled.model_copy(update={"train": train.model_copy(update={"epochs": 1})})
    fit(Task(first, SCALES), tmp_path / "parts")
    fit(Task(scaled, SCALES), tmp_path / "parts")
    fit(Task(scaled, SCALES), tmp_path / "whole")
    one, other = (checkpoints(tmp_path / name)[-1] for name in ("parts", "whole"))
    for part in ("generator", "discriminator", "training"):
        tensors = [read_tensors(path / f"{part}.safetensors") for path in (one, other)]
        assert all(torch.equal(tensor, tensors[1][key]) for key, tensor in tensors[0].items())


def test_several_scales_accumulate(scaled):
    losses = accumulated_step(step_of(scaled, installed=SCALES), batch(), 1)
    assert all(loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize("shape", [(1, 2, 4, 4), (1, 4)], ids=str)
def test_scales_that_are_no_logits_are_refused(scaled, shape, monkeypatch):
    monkeypatch.setattr(TwoScales, "forward", lambda *sides: [(torch.zeros(shape), [])])
    with pytest.raises(ImtransError, match="logits are"):
        Task(scaled, SCALES).method(CPU)


# --- a loss with a network of its own ---


class Perceptual(nn.Module):
    """A distance in the features of a network that came from elsewhere."""

    made: list["Perceptual"] = []

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        Perceptual.made.append(self)

    def forward(self, output, target):
        return (self.features(output) - self.features(target)).abs().mean()


PERCEPTUAL = with_plugin(losses={"perceptual": Perceptual})


@pytest.fixture
def perceptual(tiny_file):
    """A recipe with that loss, and what it built."""
    Perceptual.made.clear()
    text = tiny_file.read_text() + '\n[[loss]]\nname = "perceptual"\nweight = 10.0\n'
    return recipes.parse(text, "tiny", (), PERCEPTUAL)


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_a_loss_with_weights_teaches_and_does_not_learn(perceptual, engine):
    task, said = Task(perceptual, PERCEPTUAL), []
    step = tried_step(task.method(CPU), engine, perceptual.train, batch(), said.append)
    assert (step.engine, said) == (engine, [])
    loss, *_ = Perceptual.made  # it was built again to see whether its weights are the same
    before = {k: v.clone() for k, v in loss.state_dict().items()}
    values = [float(step(batch())["perceptual"]) for _ in range(30)]
    assert values[-1] < values[0]
    assert all(torch.equal(v, before[k]) for k, v in loss.state_dict().items())
    assert not any(module.training for module in loss.modules())
    assert all(p.grad is None and not p.requires_grad for p in loss.parameters())
    assert not any("features" in name for name in step.method.state_dict())
    assert list(step.method.networks()) == ["generator", "discriminator"]


def test_a_loss_with_weights_is_not_saved_and_its_run_continues(perceptual, tmp_path):
    fit(Task(perceptual, PERCEPTUAL), tmp_path / "run")
    newest = checkpoints(tmp_path / "run")[-1]
    names = {path.name for path in newest.glob("*.safetensors")}
    assert names == {"generator.safetensors", "discriminator.safetensors", "training.safetensors"}
    for name in names:
        assert not any("features" in key for key in read_tensors(newest / name))
    train = perceptual.train.model_copy(update={"epochs": 3})
    longer = perceptual.model_copy(update={"train": train})
    assert fit(Task(longer, PERCEPTUAL), tmp_path / "run").step == 18
