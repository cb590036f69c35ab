"""The loss against that of DDBM in numpy, what is drawn for it, what it learns, and its options."""

import pytest

pytest.importorskip("imtrans_bridge", reason="not installed: pip install -e plugins/imtrans-bridge")

from types import SimpleNamespace

import numpy as np
import torch
from imtrans_bridge.method import DiffusionBridge
from imtrans_bridge.process import CLEAREST, CURVE, NOISIEST, Process
from imtrans_bridge.sampler import Bridge
from papers_bridge import PapersBridge
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.recipe.schema import TrainTable
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.step import Step
from imtrans.training.step.trial import tried_step

CPU = torch.device("cpu")


def method_of(source=3, target=3, centred=False, **options):
    parts = SimpleNamespace(source_channels=source, target_channels=target, size=(16, 16))
    torch.manual_seed(0)
    return DiffusionBridge(parts, size="tiny", centred=centred, **options)


def batch(count=4, source=3, target=3, side=16, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return Batch(
        *(torch.rand(count, n, side, side, generator=generator) * 2 - 1 for n in (source, target))
    )


class Wavy(nn.Module):
    """Some function of all that a network is given; `xp` computes it in numpy too."""

    stride = 1

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x, noise):
        seen, source = x[:, : self.channels], x[:, self.channels :]
        return self.computed(seen, source, noise[:, None, None, None], torch)

    @staticmethod
    def computed(seen, source, noise, xp):
        return xp.sin(2 * seen + noise) - 3 * xp.tanh(source.mean(1, keepdims=True)) * noise


@pytest.mark.parametrize(
    ("source", "options", "bridge"),
    [
        (3, {}, PapersBridge(0.25, 0.5)),
        (1, {"gamma_max": 0.4, "base_noise": 0.0}, PapersBridge(0.4, 0.0)),
        (5, {"gamma_max": 0.0, "sigma_target": 0.8}, PapersBridge(0.0, 0.5, 0.8, 0.0)),
        (
            3,
            {"sigma_target": 0.3, "sigma_source": 0.7, "correlation": -0.5, "base_noise": 0.1},
            PapersBridge(0.25, 0.1, 0.3, 0.7, -0.105),
        ),
        (3, {"start": "zeros", "correlation": 0.9}, PapersBridge(0.25, 0.5, 0.5, 0.0)),
    ],
)
def test_the_loss_is_that_of_ddbm(source, options, bridge):
    """The squared error of the denoiser, times lambda(t) = 1 / c_out^2, at the times drawn."""
    options = {"gamma_max": 0.25, "base_noise": 0.5} | options
    method, given = method_of(source, **options), batch(source=source)
    method.generator.network = Wavy(3)
    draw = method(given)
    (term,) = method.denoise(given, draw)

    x_0, y, noise, t = (x.double().numpy() for x in (given.target, given.source, *draw[::-1]))
    from_zeros = source == 5 or options.get("start") == "zeros"
    x_T = 0 * x_0 if from_zeros else np.broadcast_to(y, x_0.shape)
    a, b, c = bridge.coefficients(t)
    x_t = a * x_T + b * x_0 + c * noise
    c_in, c_skip, c_out = bridge.scalings(t)
    denoised = c_skip * x_t + c_out * Wavy.computed(c_in * x_t, y, bridge.noise_seen(t), np)
    expected = np.mean((denoised - x_0) ** 2 / c_out**2)
    assert (term.name, term.weight) == ("bridge", 1)
    assert float(term.value) == pytest.approx(expected, rel=1e-4)
    at = draw.t[:1]  # and the denoiser of the sampler is the one that is trained
    found = method.generator.denoised(given.source[:1], torch.tensor(x_t[:1]).float(), at)
    np.testing.assert_allclose(found, denoised[:1], atol=1e-5)


@pytest.mark.parametrize("base_noise", [0.1, 0.5])
def test_centred_on_its_source_a_bridge_is_one_from_zeros(base_noise):
    """What the source adds to the noisy image is known, and is taken out of it."""
    given, found = batch(), []
    for options in ({"centred": True}, {"start": "zeros"}):
        method = method_of(**options, base_noise=base_noise, nfe=4, eta=0.3)
        method.generator.network = Wavy(3)
        torch.manual_seed(3)
        (term,) = method.denoise(given, method(given))
        noise = torch.randn(4, method.generator.noise_channels, 16, 16)
        found.append((term.value, method.generator(given.source, noise)))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_one_that_knows_nothing_has_a_loss_of_1():
    """On data of the deviations that it is given: so the network begins."""
    method = method_of(sigma_target=0.3, sigma_source=0.4, correlation=0.6)
    torch.manual_seed(0)
    source = torch.randn(64, 3, 16, 16)
    target = 0.6 * source + 0.8 * torch.randn(64, 3, 16, 16)
    given = Batch(0.4 * source, 0.3 * target)
    (term,) = method.denoise(given, method(given))
    assert float(term.value.detach()) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_part_of_a_batch_has_its_part_of_the_times(count):
    method, given, times = method_of(), batch(count), []
    torch.manual_seed(0)
    for _ in range(400):
        t, noise = method(given)
        assert noise.shape == given.target.shape
        sigma = method.process.sigma(t.flatten().double())
        ends = CLEAREST ** (1 / CURVE), NOISIEST ** (1 / CURVE)
        even = (sigma ** (1 / CURVE) - ends[0]) / (ends[1] - ends[0])
        times.append(even * count - torch.arange(count))
    within = torch.stack(times)  # each evenly from 0 to 1, independently of the others
    assert within.min() >= -1e-4
    assert within.max() <= 1 + 1e-4
    assert within.mean(0).tolist() == pytest.approx([1 / 2] * count, abs=0.05)
    assert within.var(0).tolist() == pytest.approx([1 / 12] * count, abs=0.015)
    if count > 1:
        apart = torch.corrcoef(within.T) - torch.eye(count)
        assert apart.abs().max() < 0.2


def test_the_noise_is_normal_and_follows_no_memory_format():
    method, given = method_of(), batch(8, side=64)
    torch.manual_seed(0)
    t, noise = method(given)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)
    assert noise.flatten(1).var(1).tolist() == pytest.approx([1] * 8, abs=0.05)
    apart = torch.corrcoef(noise.flatten(1)) - torch.eye(8)
    assert apart.abs().max() < 0.05
    torch.manual_seed(0)
    last = Batch(*(side.contiguous(memory_format=torch.channels_last) for side in given))
    for one, other in zip(method(last), (t, noise), strict=True):
        assert torch.equal(one, other)


def step_of(method, rate=1e-3):
    return Step(method, plain(CPU), TrainTable(epochs=1, learning_rate=rate, betas=(0.9, 0.999)))


@pytest.mark.parametrize("source", [1, 3, 5])
def test_every_weight_learns_though_many_begin_at_0(source):
    step = step_of(method_of(source))
    before = {name: weight.clone() for name, weight in step.method.named_parameters()}
    for _ in range(4):
        losses = step(batch(source=source))
    assert losses.keys() == {"bridge"}
    same = [n for n, weight in step.method.named_parameters() if torch.equal(weight, before[n])]
    assert same == []


@pytest.mark.parametrize(
    "engine",
    [
        Engine("fast", CPU),
        Engine("fast", CPU, "bf16"),
        pytest.param(Engine("fast", CPU, "bf16", shadowed=True), marks=pytest.mark.thorough),
    ],
    ids=str,
)
def test_the_fast_engine_takes_the_step_of_the_reference_engine(engine):
    train, said, found = TrainTable(epochs=1, learning_rate=1e-3), [], []
    for each in (plain(CPU), engine):
        step = tried_step(method_of(dropout=0.0), each, train, batch(), said.append)
        assert (step.engine, said) == (each, [])
        torch.manual_seed(2)
        for _ in range(3):
            losses = step(batch())
        found.append(losses["bridge"])
    apart = 1e-4 if engine.precision == "fp32" else 2e-2
    torch.testing.assert_close(*found, rtol=apart, atol=0)


class Affine(nn.Module):
    """Of the noisy image and the source some affine function, another at each time."""

    def __init__(self, width=64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 3)
        )

    def forward(self, x, noise):
        of_x, of_source, shift = self.layers(noise[:, None])[:, :, None, None].split(1, dim=1)
        return of_x * x[:, :1] + of_source * x[:, 1:] + shift


SLOPE, OFFSET, DEVIATION = 0.5, 0.1, 0.15
STEPS = 300


@pytest.mark.parametrize("centred", [True, False])
def test_a_gaussian_is_learned(centred):
    """Of a target N(SLOPE y + OFFSET, DEVIATION^2) for a source y: outputs have that mean, and the
    deviation that the sampler has in so many evaluations where it knows the distribution."""
    method = method_of(1, 1, centred=centred, gamma_max=0.25, base_noise=0.3)
    method.generator.network = Affine()
    step = step_of(method, 2e-2)
    torch.manual_seed(1)
    for number in range(STEPS):
        step.scale_learning_rates(1 - number / STEPS)
        source = torch.rand(256, 1, 2, 2) * 1.2 - 0.6
        noise = DEVIATION * torch.randn(256, 1, 2, 2)
        step(Batch(source, SLOPE * source + OFFSET + noise))
    method.generator.nfe = 20
    for value in (-0.5, 0.0, 0.5):
        with torch.no_grad():
            output = method.generator(torch.full((1, 1, 64, 64), value))
        assert float(output.mean()) == pytest.approx(SLOPE * value + OFFSET, abs=0.02)
        assert float(output.std()) == pytest.approx(deviation_of(20), rel=0.07)


def deviation_of(nfe):
    """The sampler's, with the network that says what is expected of this Gaussian."""
    bridge, process = PapersBridge(0.25, 0.3), Process(0.25, 0.3)

    class Exact(nn.Module):
        stride = 1

        def forward(self, x, noise):
            t = bridge.time_seen(float(noise[0]))
            c_in, c_skip, c_out = bridge.scalings(t)
            _, b, c = bridge.coefficients(t)
            known = b * DEVIATION**2 / ((b * DEVIATION) ** 2 + c**2)
            return (known - c_skip) / c_out * x[:, :1] / c_in

    exact = Bridge(Exact(), process, "zeros", 1, nfe, 0.0)
    return float(exact(torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)))


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        (13, {"start": "source"}, "needs a source of 1 or 3 channels, .*; it has 13. use start ="),
        (3, {"gamma_max": 0, "base_noise": 0}, "no noise: gamma_max or base_noise must be > 0"),
        (13, {"base_noise": 0}, "base_noise must be > 0"),
        (3, {"start": "zeros", "base_noise": 0}, "base_noise must be > 0"),
        (3, {"sigma_source": 0, "base_noise": 0}, "sigma_source must be > 0"),
        (3, {"centred": True, "base_noise": 0}, "set centred = false"),
        (3, {"correlation": 1.0, "base_noise": 0}, "correlation between -1 and 1"),
    ],
)
def test_options_of_which_nothing_could_be_made_are_refused(source, options, message):
    with pytest.raises(ImtransError, match=message) as refused:
        method_of(source, **options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "options"),
    [
        (1, {"base_noise": 0, "correlation": -0.999}),
        (3, {"base_noise": 0, "correlation": 0.999}),
        (3, {"base_noise": 1e-4, "sigma_source": 0}),
        (3, {"gamma_max": 0, "base_noise": 0.1, "correlation": 1.0}),
        (13, {"base_noise": 1e-4}),
    ],
)
def test_what_is_not_refused_gives_finite_losses_and_outputs(source, options):
    method = method_of(source, nfe=3, eta=0.5, **options)
    given = batch(source=source)
    (term,) = method.denoise(given, method(given))
    output = method.generator(given.source)
    assert term.value.isfinite()
    assert output.isfinite().all()
    assert output.shape == given.target.shape
    assert output.abs().max() <= 1


def test_the_start_follows_the_channels():
    for source, target, expected in ((3, 3, "source"), (1, 3, "source"), (3, 1, "zeros")):
        method = method_of(source, target)
        assert method.generator.start_with == expected
        start = method.generator.start(torch.ones(2, source, 16, 16))
        assert torch.equal(start, torch.full((2, target, 16, 16), float(expected == "source")))
