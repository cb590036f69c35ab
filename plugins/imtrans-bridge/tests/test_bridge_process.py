"""The noise and the scalings against Brownian paths, covariance matrices and DDBM's formulas."""

import pytest

pytest.importorskip("imtrans_bridge", reason="not installed: pip install -e plugins/imtrans-bridge")

import numpy as np
import torch
from imtrans_bridge.process import CLEAREST, CURVE, NOISIEST, Process
from papers_bridge import PapersBridge

SETTINGS = [  # gamma_max, base_noise, sigma_target, sigma_source, covariance
    (0.25, 0.5, 0.5, 0.5, 0.0),
    (0.25, 0.0, 0.5, 0.4, 0.15),
    (1.0, 0.3, 0.8, 0.5, -0.2),
    (0.0, 0.7, 0.5, 0.0, 0.0),
    (0.1, 0.05, 0.3, 0.3, 0.09),  # of a source that says all of its target
]
TIMES = np.array([0.001, 0.02, 0.1, 0.25, 0.5, 0.7, 0.9, 0.999, 1.0])


@pytest.fixture(params=SETTINGS, ids=str)
def both(request):
    return Process(*request.param), PapersBridge(*request.param)


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def assert_close(found, expected):
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-12)


def covariances(bridge):
    paths = bridge.paths(TIMES)
    return paths @ paths.T


def test_the_noise_is_a_brownian_bridge_and_that_of_the_base(both):
    process, bridge = both
    expected = covariances(bridge)
    t = tensor(TIMES)
    assert_close(process.variance(t), np.diag(expected))
    earlier, later = torch.minimum(t[:, None], t), torch.maximum(t[:, None], t)
    assert_close(process.between(earlier, later), expected)


def test_its_deviation_is_gamma_max_half_way_and_the_bases_at_the_start():
    assert Process(0.3, 0.0).variance(tensor(0.5)).sqrt() == pytest.approx(0.3)
    for gamma_max in (0.0, 0.3):
        assert Process(gamma_max, 0.7).variance(tensor([0.0, 1.0])).tolist() == [0, 0.7**2]


def test_the_mean_leads_in_a_line_from_the_start_to_the_target(both):
    process, bridge = both
    a, b, c = bridge.coefficients(TIMES)
    target, start = 0.3, -0.8
    assert_close(process.mean(target, start, tensor(TIMES)), a * start + b * target)
    assert_close(process.variance(tensor(TIMES)).sqrt(), c)


def test_the_scalings_are_those_of_ddbm(both):
    process, bridge = both
    found = process.scalings(tensor(TIMES))
    into, skip, out = bridge.scalings(TIMES)
    assert_close(found.into, into)
    assert_close(found.skip, skip)
    # Root of a difference, which is 0 at the start where there is no noise.
    np.testing.assert_allclose(found.out.numpy(), out, rtol=1e-7, atol=1e-8)
    assert_close(found.noise, bridge.noise_seen(TIMES))


def test_what_the_network_sees_and_has_to_say_has_variance_1_and_the_least_of_it(both):
    """Of the joint covariance of x_0, x_T and each noise, which is all that a Gaussian has."""
    process, _ = both
    target, start = process.sigma_target**2, process.sigma_start**2
    for t in TIMES:
        variance = float(process.variance(tensor(t)))
        joint = np.array(
            [[target, process.covariance, 0], [process.covariance, start, 0], [0, 0, variance]]
        )
        x_0, x_t = np.array([1, 0, 0]), np.array([1 - t, t, 1])
        scalings = [float(value) for value in process.scalings(tensor(t))]
        skip, out, into, _ = scalings
        assert into**2 * (x_t @ joint @ x_t) == pytest.approx(1)

        def error(share, joint=joint, x_0=x_0, x_t=x_t):
            return (x_0 - share * x_t) @ joint @ (x_0 - share * x_t)

        assert out**2 == pytest.approx(error(skip), rel=1e-6, abs=1e-12)
        # It is a parabola of the share, with its end where both sides are alike.
        assert error(skip + 0.01) == pytest.approx(error(skip - 0.01), rel=1e-6)
        assert error(skip) < error(skip + 0.01)


def test_nothing_is_left_to_say_at_the_target():
    found = Process(0.25, 0.5).scalings(tensor([1e-3, 1e-6, 0.0]))
    assert found.out[2] == 0
    assert found.skip[2] == 1
    assert found.out[0] > found.out[1] > 0


def test_what_is_left_of_the_scale_in_single_precision():
    """What a training computes with: no more than a part in ten thousand is lost at any time."""
    for setting in SETTINGS[:4]:
        t = torch.linspace(1e-3, 1, 500, dtype=torch.float64)
        exact, found = (Process(*setting).scalings(each) for each in (t, t.float()))
        for one, other in zip(exact, found, strict=True):
            torch.testing.assert_close(other.double(), one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 5, 20, 1000])
def test_the_noise_beside_the_target_falls_in_the_steps_of_karras(both, steps):
    """c_t / b_t, which is infinite at 1: equation 5 of Karras et al. (2022) between both ends."""
    process, bridge = both
    times = np.array(process.times(steps))
    assert len(times) == steps + 1
    assert (times[0], times[-1]) == (1, 0)
    assert (np.diff(times) < 0).all()
    _, b, c = bridge.coefficients(times[1:-1])
    place = np.arange(1, steps) / steps
    ends = NOISIEST ** (1 / CURVE), CLEAREST ** (1 / CURVE)
    np.testing.assert_allclose(c / b, (ends[0] * (1 - place) + ends[1] * place) ** CURVE, rtol=1e-9)
