"""Two engines over one step: the fast one against the plain one, which is the reference."""

import re
from contextlib import suppress
from functools import partial

import pytest
import torch
from loading import Loading
from steps import CPU, step_of
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.data.loader import Batches
from imtrans.data.resident import Resident
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import TrainTable
from imtrans.task import Task
from imtrans.training.step.engine import Engine, choose_engine, plain
from imtrans.training.step.preserving import preserving_state, preserving_weights
from imtrans.training.step.trial import gradients, tried_step

FAST32 = Engine("fast", CPU)
FAST16 = Engine("fast", CPU, "bf16")


def step_on(recipe, engine):
    """Without dropout, whose noise follows the order of memory."""
    step = step_of(recipe, engine)
    for module in step.method.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return step


def batches(count, size=64, number=2):
    generator = torch.Generator().manual_seed(3)
    for _ in range(count):
        pair = torch.rand(2, number, 3, size, size, generator=generator) * 2 - 1
        # Something that can be learned: the target is the source, dimmed.
        yield Batch(pair[0], pair[0] * 0.5)


def losses_of(step, count):
    return [torch.stack(list(step(batch).values())) for batch in batches(count)]


@pytest.fixture(params=["resnet_6", "unet_128"])
def recipe(request, tiny_file):
    size = 128 if request.param == "unet_128" else 64
    overrides = (f"generator.name={request.param}", f"data.crop_size={size}", "data.load_size=140")
    return recipes.read(tiny_file, overrides, catalog())


@pytest.mark.parametrize(("engine", "apart"), [(FAST32, 1e-4), (FAST16, 1e-2)], ids=str)
def test_the_first_step_of_the_fast_engine_is_the_reference_engines(recipe, engine, apart):
    batch = next(batches(1, recipe.data.crop_size))
    expected, found = (step_on(recipe, e)(batch) for e in (plain(CPU), engine))
    for name, loss in expected.items():
        torch.testing.assert_close(found[name], loss, rtol=apart, atol=0)


@pytest.mark.thorough
@pytest.mark.parametrize("engine", [FAST32, FAST16], ids=str)
def test_later_steps_are_no_farther_than_the_reference_is_from_itself(tiny, engine):
    """Training amplifies rounding: the measure is plain against plain, its weights moved 1e-7."""
    steps = 12
    expected = losses_of(step_on(tiny, plain(CPU)), steps)
    apart = []
    for seed in range(3):
        moved = step_on(tiny, plain(CPU))
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in moved.method.parameters():
                parameter *= 1 + 1e-7 * torch.randn(parameter.shape, generator=generator)
        apart.append(_distance(expected, losses_of(moved, steps)))
    found = _distance(expected, losses_of(step_on(tiny, engine), steps))
    # bf16 begins a thousand times farther away; both end where rounding has been amplified to.
    floor = 1e-4 if engine.precision == "fp32" else 2e-2
    assert found <= max(2 * max(apart), floor)


def _distance(expected, found):
    rows = zip(expected, found, strict=True)
    return max(float(((a - b).abs() / a.abs()).max()) for a, b in rows)


def test_weights_keep_their_names_and_shapes_under_every_engine(tiny):
    states = [step_on(tiny, e).method.state_dict() for e in (plain(CPU), FAST16)]
    assert {k: v.shape for k, v in states[0].items()} == {k: v.shape for k, v in states[1].items()}


@pytest.mark.parametrize("fault", [False, True])
def test_a_rehearsed_step_leaves_no_trace(tiny, fault):
    step = step_on(tiny, FAST32)
    for batch in batches(2):
        step(batch)
    before = {k: v.clone() for k, v in step.method.state_dict().items()}
    moments = {k: v.clone() for k, v in step.optimizer_state().items()}
    random = torch.get_rng_state()
    with suppress(ArithmeticError), preserving_state(step.method, CPU), preserving_weights(step):
        step(next(batches(1)))
        torch.rand(3)
        assert any(not torch.equal(v, before[k]) for k, v in step.method.state_dict().items())
        if fault:
            raise ArithmeticError
    assert all(torch.equal(v, before[k]) for k, v in step.method.state_dict().items())
    assert step.optimizer_state().keys() == moments.keys()
    assert all(torch.equal(v, moments[k]) for k, v in step.optimizer_state().items())
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.parametrize("engine", [plain(CPU), FAST32], ids=str)
def test_a_trial_leaves_no_trace(tiny, engine):
    """Nor in what the next steps compute, dropout among it."""
    tried, fresh = step_of(tiny, engine), step_of(tiny, engine)
    before = {k: v.clone() for k, v in tried.method.state_dict().items()}
    random = torch.get_rng_state()
    gradients(tried, next(batches(1)))
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in tried.method.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in tried.method.parameters())
    assert all(m.training for m in tried.method.modules())
    assert not tried.optimizer_state()
    losses = []
    for step in (tried, fresh):
        torch.manual_seed(5)
        losses.append(losses_of(step, 4))
    assert all(torch.equal(one, other) for one, other in zip(*losses, strict=True))


class Viewing(nn.Module):
    """A generator as one finds them: it takes the order of memory for granted."""

    stride = 1

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.last = nn.Conv2d(4, out_channels, 3, padding=1)

    def forward(self, source):
        x = self.first(source)
        x = x.view(x.shape[0], -1).view(x.shape)  # not possible in channels_last
        return torch.tanh(self.last(x))


def tried(recipe, engine, **replaced):
    task, said = Task(recipe, catalog()), []
    method = task.method(CPU)
    for name, part in replaced.items():
        setattr(method, name, part)
    return tried_step(method, engine, recipe.train, task.noise(CPU), said.append), said


@pytest.mark.parametrize("engine", [FAST32, FAST16], ids=str)
def test_a_plugin_that_the_fast_engine_cannot_compute_trains_with_the_plain_one(tiny, engine):
    step, said = tried(tiny, engine, generator=Viewing(3, 3))
    assert step.engine == plain(CPU)
    (line,) = said
    assert line.startswith("note: the fast engine fails on this network (view size is not")
    assert line.endswith("); training with the plain engine. Nothing to do.")
    assert all(p.is_contiguous() for p in step.method.parameters())
    assert all(loss.isfinite() for loss in step(next(batches(1))).values())


def test_a_machine_without_compiler_trains_uncompiled(tiny, monkeypatch):
    def broken(network):
        def call(*inputs):
            raise RuntimeError("no C++ compiler\nin many lines")

        return call

    monkeypatch.setattr(torch, "compile", broken)
    step, said = tried(tiny, Engine("fast", CPU, compiled="networks"))
    assert step.engine == FAST32
    (line,) = said
    assert line == (
        "note: torch.compile fails on this network (no C++ compiler); training without it. "
        "Nothing to do."
    )
    assert all(loss.isfinite() for loss in step(next(batches(1))).values())


def test_what_fits_no_engine_fails_as_it_is(tiny):
    class Broken(Viewing):
        def forward(self, source):
            raise ArithmeticError("of its own")

    with pytest.raises(ArithmeticError, match="of its own"):
        tried(tiny, FAST32, generator=Broken(3, 3))


def test_too_little_memory_is_no_reason_for_another_engine(tiny, monkeypatch):
    def greedy(self, batch):
        raise MemoryError

    monkeypatch.setattr(Pix2Pix, "forward", greedy)
    with pytest.raises(MemoryError):
        tried(tiny, FAST32)


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's own tracing
def test_compiled_networks_compute_the_same_step(tiny, monkeypatch):
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    expected = losses_of(step_on(tiny, FAST32), 2)
    found = losses_of(step_on(tiny, Engine("fast", CPU, compiled="networks")), 2)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("keys", "name", "precision"),
    [
        ({"engine": "plain"}, "plain", "fp32"),
        ({"engine": "auto", "precision": "fp32"}, "fast", "fp32"),
        ({"engine": "fast", "precision": "bf16"}, "fast", "bf16"),
    ],
)
def test_the_recipe_chooses_the_engine(keys, name, precision):
    engine = choose_engine(TrainTable(epochs=1, **keys), CPU)
    assert (engine.name, engine.precision, engine.graphed) == (name, precision, False)


def test_the_plain_engine_has_no_bf16():
    with pytest.raises(ImtransError, match="'plain' computes in fp32"):
        choose_engine(TrainTable(epochs=1, engine="plain", precision="bf16"), CPU)


@pytest.mark.parametrize("overrides", [[], ["data.flip=false"], ["data.direction=BtoA"]], ids=str)
def test_pairs_on_the_device_make_the_same_batches(tiny_file, overrides):
    loading = Loading(tiny_file, *overrides)
    expected = Batches(
        loading.pairs, loading.sampler(), loading.order(4), workers=0, pin=False
    ).start(2, 1)
    sampler = loading.sampler().reading(loading.obtain())
    resident = Resident(sampler, loading.order(4), CPU)
    assert resident.order.steps() == 2
    for one, other in zip(resident.start(2, 1), range(7), strict=False):
        for side, wanted in zip(one, next(expected), strict=True):
            assert side.dtype == wanted.dtype, other
            assert torch.equal(side, wanted)


class Mistaken(Viewing):
    """Its gradient is wrong in channels_last, without a word, as torch's own may be."""

    def forward(self, source):
        x = self.first(source)
        if not x.is_contiguous():
            x = x + (x.detach() - x) * 1.5
        return torch.tanh(self.last(x))


@pytest.mark.parametrize("engine", [FAST32, FAST16], ids=str)
def test_a_gradient_that_is_not_the_references_is_noticed(tiny, engine):
    step, said = tried(tiny, engine, generator=Mistaken(3, 3))
    assert step.engine == plain(CPU)
    (line,) = said
    assert re.fullmatch(
        r"note: the fast engine computes other gradients of this network \(gradient agreement "
        r"-?\d\.\d\d in generator/\w+\.generator\.\w+\.weight\); training with the plain "
        r"engine\. Nothing to do\.",
        line,
    )


class Coarse(Viewing):
    """Its gradient is fine in fp32, and wrong beyond any rounding in bf16."""

    def forward(self, source):
        x = self.first(source)
        if x.dtype == torch.bfloat16:
            x = x + (x.detach() - x) * 1.8
        return torch.tanh(self.last(x))


def test_a_network_that_bf16_is_too_inexact_for_trains_in_fp32_and_nobody_is_alarmed(tiny):
    step, said = tried(tiny, FAST16, generator=Coarse(3, 3))
    assert step.engine == FAST32
    (line,) = said
    assert re.fullmatch(
        r"note: bf16 is too inexact for this network \(gradient agreement -?\d\.\d\d\); "
        r"training in fp32\. Nothing to do\.",
        line,
    )


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_the_gradients_of_the_fast_engine_are_the_references(tiny_file, norm, number):
    """torch's instance norm computes a wrong one for a batch of one in channels_last."""
    keys = (f"generator.norm={norm}", f"discriminator.norm={norm}", f"train.batch_size={number}")
    recipe = recipes.read(tiny_file, keys, catalog())
    batch = next(batches(1, number=number))
    expected, found = (gradients(step_of(recipe, e), batch) for e in (plain(CPU), FAST32))
    terms = {"discriminator/d", "generator/g", "generator/l1"}
    assert expected.keys() == found.keys() == terms
    for phase in expected:
        assert expected[phase].keys() == found[phase].keys()
        one, other = (
            torch.cat([side[phase][name].flatten() for name in expected[phase]])
            for side in (expected, found)
        )
        assert torch.cosine_similarity(one, other, dim=0) > 0.9999


@pytest.mark.parametrize(
    ("batch", "steps", "compile", "compiled"),
    [
        (1, 10**6, "auto", False),
        (4, 10**6, "auto", False),
        (16, 10**6, "auto", True),
        (16, 100, "auto", False),
        (1, 1, True, True),
        (16, 10**6, False, False),
    ],
)
def test_compiling_has_to_be_repaid(batch, steps, compile, compiled):
    train = TrainTable(epochs=1, batch_size=batch, compile=compile)
    assert bool(choose_engine(train, CPU, steps).compiled) == compiled


def test_instance_norms_wrong_gradient_is_refused_wherever_it_is(tiny_file, monkeypatch):
    """In the discriminator it reaches the generator through the adversarial term alone."""
    keys = ("generator.norm=instance", "discriminator.norm=instance", "train.batch_size=1")
    recipe = recipes.read(tiny_file, keys, catalog())
    unguarded = nn.modules.instancenorm._InstanceNorm.forward
    monkeypatch.setattr("imtrans.api.layers.InstanceNorm.forward", unguarded)
    step, messages = tried(recipe, FAST32)
    assert step.engine == plain(CPU)
    assert "the fast engine computes other gradients of this network (gradient " in messages[0]
