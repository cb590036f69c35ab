"""What can be switched on in pix2pix trains as everything else: on any engine, in parts, continued,
compiled."""

import pytest
import torch
from steps import CPU, step_of
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.api.r1 import r1_penalty
from imtrans.host.group import alone
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.accumulation import accumulated_step
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.step import Step
from imtrans.training.step.synced_norms import synchronised
from imtrans.training.step.trial import gradients, tried_step

FAST32 = Engine("fast", CPU)
STEADY = ("adversarial.name=hinge", "discriminator.spectral_norm=true")
MATCHING = ("discriminator.features=true", "method.feature_matching=10.0")
R1 = ("method.r1=1.0",)
AUGMENTED = ("method.diffaugment=['color', 'translation', 'cutout']",)
RESIZED = ("generator.upsample=resize",)
EACH = {"steady": STEADY, "matching": MATCHING, "r1": R1, "augmented": AUGMENTED}
ALL = (*STEADY, *MATCHING, *R1, *AUGMENTED, *RESIZED)
INSTANCE = ("generator.norm=instance", "discriminator.norm=instance", "generator.dropout=0.0")


def read(file, *overrides):
    return recipes.read(file, overrides, catalog())


def batch(number=2, size=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    source = torch.rand(number, 3, size, size, generator=generator) * 2 - 1
    return Batch(source, source * 0.5)


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("number", [1, pytest.param(2, marks=pytest.mark.thorough)])
def test_the_gradients_of_the_fast_engine_are_the_references(tiny_file, norm, number):
    recipe = read(tiny_file, *ALL, f"generator.norm={norm}", f"discriminator.norm={norm}")
    found = []
    for engine in (plain(CPU), FAST32):
        torch.manual_seed(1)
        found.append(gradients(step_of(recipe, engine), batch(number)))
    expected, fast = found
    terms = {"discriminator/d", "discriminator/r1", "generator/g", "generator/features"}
    assert expected.keys() == fast.keys() == terms | {"generator/l1"}
    for term in expected:
        one, other = (
            torch.cat([side[term][name].flatten() for name in expected[term]]) for side in found
        )
        assert one.any()
        assert torch.cosine_similarity(one, other, dim=0) > 0.9999
        assert float(one.norm() / other.norm()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((*STEADY, *MATCHING, *R1, *AUGMENTED), id="all"),
        *(pytest.param(EACH[name], id=name, marks=pytest.mark.soak) for name in EACH),
    ],
)
def test_an_option_is_no_reason_for_another_engine(tiny_file, options):
    engine, said = Engine("fast", CPU, "bf16"), []
    task = Task(read(tiny_file, *options, *RESIZED), catalog())
    step = tried_step(task.method(CPU), engine, task.recipe.train, task.noise(CPU), said.append)
    assert (step.engine, said) == (engine, [])
    assert all(loss.isfinite() for loss in step(batch()).values())


def with_a_small_generator(recipe):
    """Which is compiled in a moment: what is switched on is in the discriminator."""
    method = Task(recipe, catalog()).method(CPU)
    torch.manual_seed(2)
    method.generator = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Tanh())
    return method


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own tracing
@pytest.mark.parametrize("compiled", ["networks", pytest.param("phases", marks=pytest.mark.soak)])
def test_with_compiled_networks_all_options_compute_the_same(tiny_file, monkeypatch, compiled):
    compile_ = torch.compile
    monkeypatch.setattr(torch, "compile", lambda x: compile_(x, backend="aot_eager"))
    recipe, said = read(tiny_file, *ALL), []
    engine = Engine("fast", CPU, compiled=compiled)
    method = with_a_small_generator(recipe)
    step = tried_step(method, engine, recipe.train, batch(), said.append)
    assert (step.engine, said) == (engine, [])
    losses = []
    for one in (step, Step(with_a_small_generator(recipe), FAST32, recipe.train)):
        torch.manual_seed(4)
        losses.append(one(batch()))
    for name, loss in losses[0].items():
        torch.testing.assert_close(loss, losses[1][name], rtol=1e-3, atol=1e-5)


def test_accumulated_parts_make_the_step_of_the_whole_batch(tiny_file):
    recipe = read(tiny_file, *STEADY, *MATCHING, *R1, *RESIZED, *INSTANCE)
    whole, parts = step_of(recipe), step_of(recipe)
    for adam in (*whole.optimizers.values(), *parts.optimizers.values()):
        adam.adam = torch.optim.SGD(adam._updated, lr=1e-3)  # which magnifies no rounding
    expected, found = whole(batch(4)), accumulated_step(parts, batch(4), 2)
    for name, loss in expected.items():
        # Parts are more calls, in which the estimates of spectral norms become more exact.
        torch.testing.assert_close(found[name], loss, rtol=2e-2, atol=1e-4)
    for name, tensor in whole.method.generator.state_dict().items():
        torch.testing.assert_close(
            parts.method.generator.state_dict()[name], tensor, rtol=0, atol=1e-3
        )


def test_a_run_with_all_options_continues_to_the_bit(tiny_file, tmp_path):
    """With dropout and draws in both phases, estimates of spectral norms, and accumulation."""
    recipe = read(tiny_file, *ALL, "train.accumulate=2", "train.ema=0.9", "train.engine=fast")
    first = recipe.model_copy(update={"train": recipe.train.model_copy(update={"epochs": 1})})
    fit(Task(first, catalog()), tmp_path / "parts")
    fit(Task(recipe, catalog()), tmp_path / "parts")
    fit(Task(recipe, catalog()), tmp_path / "whole")
    one, other = (checkpoints(tmp_path / name)[-1] for name in ("parts", "whole"))
    for part in ("generator", "discriminator", "training"):
        tensors = [read_tensors(path / f"{part}.safetensors") for path in (one, other)]
        assert all(torch.equal(tensor, tensors[1][key]) for key, tensor in tensors[0].items())
        if part == "discriminator":
            assert {name for name in tensors[0] if name.endswith(".u")}


def test_the_terms_are_what_the_helpers_compute_on_the_pairs(tiny_file):
    step = step_of(read(tiny_file, *MATCHING, *R1, *INSTANCE))
    fake = step.make(batch()).detach()
    d, r1 = step.method.discriminate(batch(), fake)
    assert (d.name, r1.name, r1.weight) == ("d", "r1", 0.5)
    torch.testing.assert_close(r1.value, r1_penalty(step.method.discriminator, *batch()))
    game, features, l1 = step.method.fool(batch(), fake)
    assert [t.name for t in (game, features, l1)] == ["g", "features", "l1"]
    assert features.weight == 10.0


def test_with_equal_draws_a_perfect_fake_has_the_features_of_its_target(tiny_file):
    step = step_of(read(tiny_file, *MATCHING, *AUGMENTED, *INSTANCE))
    _, features, _ = step.method.fool(batch(), batch().target)
    assert float(features.value.detach()) == 0


def test_a_discriminator_without_features_is_noticed_before_the_data_are_read(tiny_file):
    recipe = read(tiny_file, "method.feature_matching=10.0")
    with pytest.raises(ImtransError, match=r"set discriminator\.features = true"):
        Task(recipe, catalog()).method(CPU)


def test_r1_says_that_synchronised_batch_norm_has_no_second_derivative(tiny_file):
    step = step_of(read(tiny_file, *R1))
    network = step.method.discriminator
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    with (
        synchronised(norms, alone(), lambda: True),
        pytest.raises(ImtransError, match=r"sync_batch_norm has no second derivative"),
    ):
        r1_penalty(network, *batch())
