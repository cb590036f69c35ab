"""The sampler against algorithm 1 of DBIM in numpy, and its steps against the bridge itself."""

import pytest

pytest.importorskip("imtrans_bridge", reason="not installed: pip install -e plugins/imtrans-bridge")

from dataclasses import astuple
from itertools import pairwise

import numpy as np
import torch
from imtrans_bridge.process import Process
from imtrans_bridge.sampler import Bridge
from papers_bridge import PapersBridge, dbim
from torch import nn

from imtrans.translation.export.program import program_of

# Deviations of target and source, and their covariance.
DATA = (0.5, 0.6, 0.1)


class Plugged(nn.Module):
    """A function f(seen, source, noise) in the place of the network, which keeps what it saw."""

    stride = 1

    def __init__(self, function, channels):
        super().__init__()
        self.function, self.channels, self.seen = function, channels, []

    def forward(self, x, noise):
        seen, source = x[:, : self.channels], x[:, self.channels :]
        self.seen.append((seen, noise))
        return self.function(seen, source, noise[:, None, None, None])


def process_of(bridge):
    return Process(*astuple(bridge))


def sampler_of(function, process, *, start="source", channels=1, nfe=5, eta=0.0):
    return Bridge(Plugged(function, channels), process, start, channels, nfe, eta)


def wavy(seen, source, noise, math):
    """Some network: it depends on all that it is given, and leaves [-1, 1] at times."""
    mean = source.mean(1, keepdims=True)
    return 1.3 * math.tanh(seen - mean * math.cos(3 * noise)) + 0.3 * math.sin(7 * mean + noise)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def single(values):
    return torch.tensor(np.asarray(values), dtype=torch.float32)


@pytest.mark.parametrize("start", ["source", "zeros"])
@pytest.mark.parametrize("base", [0.0, 0.4])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("nfe", [1, 2, 5, 20])
def test_it_is_algorithm_1_of_dbim(nfe, eta, base, start):
    channels = 2
    source = np.tanh(drawn(3, channels if start == "source" else 5, 4, 6))
    noises = drawn(nfe if eta else 1, 3, channels, 4, 6, seed=1)
    bridge = PapersBridge(0.35, base, *DATA)
    process = process_of(bridge)

    def denoiser(x, t):
        c_in, c_skip, c_out = bridge.scalings(t)
        return c_skip * x + c_out * wavy(c_in * x, source, bridge.noise_seen(t), np)

    x_T = source if start == "source" else np.zeros((3, channels, 4, 6))
    *path, (_, expected) = dbim(bridge, denoiser, x_T, noises, process.times(nfe), eta)
    sampler = sampler_of(
        lambda *given: wavy(*given, torch),
        process,
        start=start,
        channels=channels,
        nfe=nfe,
        eta=eta,
    )
    assert sampler.noise_channels == len(noises) * channels
    found = sampler(single(source), single(np.concatenate(noises, axis=1)))
    for (t, x), (seen, noise) in zip(path, sampler.network.seen, strict=True):
        assert noise.tolist() == pytest.approx([float(bridge.noise_seen(t))] * 3, abs=1e-5)
        np.testing.assert_allclose(seen, bridge.scalings(t)[0] * x, atol=1e-4)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert np.abs(expected).max() <= 1


def test_a_source_of_one_channel_begins_each_channel_of_the_target():
    source = torch.rand(2, 1, 4, 4)
    sampler = sampler_of(lambda seen, source, noise: seen * 0, Process(0.2, 0.0), channels=3)
    sampler(source)
    seen, _ = sampler.network.seen[0]
    torch.testing.assert_close(seen, source.expand(-1, 3, -1, -1) * 2)  # of the deviation 1/2


def path_of_noise(bridge, denoised, source, nfe, eta):
    """(t, mean, noise) of each x_t that the sampler makes of a source of one pixel, which is affine
    in what is drawn: the mean where nothing is, and how much of each normal variable is in it."""
    process = process_of(bridge)
    times = process.times(nfe)
    left = iter(times)

    def network(seen, source, noise):
        t = next(left)
        c_in, c_skip, c_out = bridge.scalings(t)
        x = seen.double().numpy() / c_in
        return torch.tensor((denoised(x, t) - c_skip * x) / c_out)

    sampler = sampler_of(network, process, nfe=nfe, eta=eta)
    number = sampler.noise_channels
    noise = np.vstack([np.zeros(number), np.eye(number)])
    given = torch.full((number + 1, 1, 1, 1), source)
    output = sampler(given, single(noise).reshape(number + 1, number, 1, 1))
    path = []
    for t, (seen, _) in zip(times, [*sampler.network.seen, (output, None)], strict=True):
        x = seen.double().flatten().numpy() / (bridge.scalings(t)[0] if t else 1)
        path.append((t, x[0], x[1:] - x[0]))
    return path


BRIDGES = [PapersBridge(0.3, 0.0), PapersBridge(0.3, 0.4, *DATA), PapersBridge(0.0, 0.4)]


@pytest.mark.parametrize("bridge", BRIDGES, ids=str)
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("nfe", [2, 7])
def test_each_step_has_the_mean_and_variance_of_the_bridge(nfe, eta, bridge):
    target, source = 0.7, -0.4
    for t, mean, noise in path_of_noise(bridge, lambda x, t: target, source, nfe, eta)[:-1]:
        a, b, c = bridge.coefficients(t)
        assert mean == pytest.approx(a * source + b * target, abs=1e-5)
        assert noise @ noise == pytest.approx(c**2, abs=1e-5)


@pytest.mark.parametrize("bridge", BRIDGES, ids=str)
def test_with_all_of_the_noise_a_path_is_one_of_the_bridge(bridge):
    """All times together: the covariances between them are those of the process."""
    path = path_of_noise(bridge, lambda x, t: 0.7, -0.4, 6, 1.0)[1:-1]
    noise = np.array([noise for _, _, noise in path])
    times = [t for t, _, _ in path]
    expected = bridge.paths(times[::-1])[::-1]
    np.testing.assert_allclose(noise @ noise.T, expected @ expected.T, atol=1e-5)


def test_with_all_of_the_noise_a_step_is_the_markovian_posterior():
    """Of a Brownian bridge from x_0, which is at x_t: its noise at s is drawn with the variance
    g^2 s (t - s) / t around the line between both."""
    bridge, target = PapersBridge(0.3), 0.7
    path = path_of_noise(bridge, lambda x, t: target, -0.4, 6, 1.0)[:-1]
    for step, ((t, before, noise), (s, after, later)) in enumerate(pairwise(path)):
        assert after == pytest.approx(target + s / t * (before - target), abs=1e-5)
        added = later - s / t * noise
        expected = np.zeros(len(added))
        expected[step + 1] = (0.3 / 0.5) * np.sqrt(s * (t - s) / t)
        np.testing.assert_allclose(added, expected, atol=1e-5)


@pytest.mark.parametrize("bridge", BRIDGES, ids=str)
def test_without_noise_of_its_own_the_first_noise_is_kept_in_every_step(bridge):
    for t, _, noise in path_of_noise(bridge, lambda x, t: 0.7, -0.4, 9, 0.0)[1:-1]:
        assert noise.tolist() == pytest.approx([bridge.coefficients(t)[2]], abs=1e-5)


class Gaussian:
    """A target of N(slope y + offset, deviation^2) for a source y, and what is expected of it where
    x_t is seen, which is linear in x_t."""

    slope, offset, deviation = 0.4, 0.1, 0.15

    def __init__(self, bridge, source):
        self.bridge, self.source = bridge, source
        self.mean = self.slope * source + self.offset

    def denoised(self, x, t):
        a, b, c = self.bridge.coefficients(t)
        seen = (b * self.deviation) ** 2 + c**2
        expected = a * self.source + b * self.mean
        known = b * self.deviation**2 / seen if seen else 0.0
        return self.mean + known * (x - expected)

    def sampled(self, nfe, eta):
        _, mean, noise = path_of_noise(self.bridge, self.denoised, self.source, nfe, eta)[-1]
        return mean, np.linalg.norm(noise)


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("bridge", BRIDGES, ids=str)
@pytest.mark.parametrize(
    "source",
    [
        0.5,
        pytest.param(-0.6, marks=pytest.mark.thorough),
        pytest.param(0.0, marks=pytest.mark.thorough),
    ],
)
def test_a_gaussian_is_reached_as_evaluations_become_more(source, bridge, eta):
    given = Gaussian(bridge, source)
    found = [given.sampled(nfe, eta) for nfe in (1, 5, 20, 80, 320)]
    for mean, _ in found:
        assert mean == pytest.approx(given.mean, abs=2e-5)
    # A single one sees nothing but the source: its output is the mean.
    assert found[0][1] < 1e-5
    lost = [1 - deviation / given.deviation for _, deviation in found]
    assert all(0 < more < 0.8 * less for less, more in pairwise(lost))
    assert lost[-1] < 0.07


def test_without_noise_of_its_own_all_bridges_lead_to_the_same():
    """Where their steps have the same noise beside the target: (x_t - a_t x_T) / b_t, the target
    with that noise, follows from nothing else."""
    found = [Gaussian(bridge, 0.5).sampled(7, 0.0) for bridge in BRIDGES]
    for each in found[1:]:
        assert each == pytest.approx(found[0], abs=1e-5)


@pytest.mark.parametrize("bridge", BRIDGES[1:], ids=str)
def test_the_deviation_of_a_gaussian_is_what_affine_maps_make_of_it(bridge):
    """Of a sampler that draws once, each step multiplies how far x_t is from its mean."""
    given, nfe = Gaussian(bridge, 0.5), 10
    far = bridge.base
    for t, s in pairwise(process_of(bridge).times(nfe)):
        b, c = bridge.coefficients(t)[1:]
        known = b * given.deviation**2 / ((b * given.deviation) ** 2 + c**2)
        noise = (1 - b * known) / c
        far *= (1 - s) * known + (bridge.coefficients(s)[2] * noise if s else 0)
    assert given.sampled(nfe, 0.0)[1] == pytest.approx(abs(far), abs=1e-5)


def test_equal_noise_gives_equal_outputs_and_none_is_drawn_then():
    sampler = sampler_of(lambda *given: wavy(*given, torch), Process(0.3, 0.4), eta=0.5)
    source = torch.rand(2, 1, 4, 4)
    torch.manual_seed(3)
    drawn_within = sampler(source)
    assert not torch.equal(drawn_within, sampler(source))
    torch.manual_seed(3)
    noise = torch.randn(2, sampler.noise_channels, 4, 4)
    state = torch.random.get_rng_state()
    assert torch.equal(sampler(source, noise), drawn_within)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_the_number_of_evaluations_may_be_set_later(eta):
    source, outputs = torch.rand(1, 1, 4, 4), []
    for nfe in (3, 7):
        sampler = sampler_of(
            lambda *given: wavy(*given, torch), Process(0.3, 0.4), nfe=nfe, eta=eta
        )
        sampler.nfe = 3
        noise = torch.randn(1, sampler.noise_channels, 4, 4, generator=torch.manual_seed(0))
        outputs.append(sampler(source, noise))
        assert len(sampler.network.seen) == 3
    assert torch.equal(*outputs)


class Wavy(nn.Module):
    """The function as a network that keeps nothing, and so may be exported."""

    stride = 1

    def forward(self, x, noise):
        return wavy(x[:, :1], x[:, 1:], noise[:, None, None, None], torch)


@pytest.mark.parametrize("eta", [0.0, 0.5])
def test_it_is_exported_for_any_batch_and_size(eta):
    sampler = Bridge(Wavy(), Process(0.3, 0.4), "source", 1, 3, eta)
    channels = 1, sampler.noise_channels
    exported = program_of(sampler, channels, stride=1).module()
    for count, height, width in ((1, 4, 6), (3, 8, 5)):
        source, noise = (torch.randn(count, each, height, width) for each in channels)
        torch.testing.assert_close(exported(source, noise), sampler(source, noise))


def test_a_size_that_does_not_fit_is_refused():
    sampler = sampler_of(lambda *given: given[0], Process(0.3, 0.4))
    sampler.stride = 8
    with pytest.raises(ValueError, match="multiples of 8"):
        sampler(torch.zeros(1, 1, 12, 8))
