"""FID, KID and LPIPS: what they compute of features, and the libraries that they need."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.extras import imported
from imtrans.components.metrics import inception
from imtrans.components.metrics.inception import FID, KID

ROOT = Path(__file__).parents[2]


class Colours(nn.Module):
    """In Inception's place: levels (N, 3, H, W) become 3 H W features."""

    def forward(self, levels):
        assert levels.dtype == torch.uint8
        return (levels.flatten(1).float() / 255,)


@pytest.fixture
def built(monkeypatch):
    monkeypatch.setattr(inception, "_inception", lambda weights: Colours())
    return lambda kind: kind()


def features(seed, count, size, spread=1.0):
    made = np.random.default_rng(seed)
    return made.standard_normal((count, size)) @ made.standard_normal((size, size)) * spread


def rows(count, size, same=False):
    one, other = features(0, count, size), features(0 if same else 1, count, size, 0.8) + 0.1
    return torch.from_numpy(np.concatenate([one, one if same else other], 1))


def frechet_by_hand(one, other):
    """With the root of one covariance, as Dowson and Landau 1982 write it."""
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    product = np.linalg.eigvalsh(root @ second @ root).clip(0)
    apart = ((one.mean(0) - other.mean(0)) ** 2).sum()
    return apart + first.trace() + second.trace() - 2 * np.sqrt(product).sum()


def kernel(a, b):
    return (a @ b.T / a.shape[1] + 1) ** 3


def kernel_distance_by_hand(x, y):
    """Gretton et al. 2012, equation 4."""
    each = kernel(x, x) + kernel(y, y) - kernel(x, y) - kernel(y, x)
    others = ~np.eye(len(x), dtype=bool)
    return each[others].mean()


@pytest.mark.parametrize(("count", "size"), [(12, 30), (30, 30), (200, 30), (2, 5)])
def test_fid_is_the_distance_of_two_normal_distributions(built, count, size):
    given = rows(count, size)
    expected = frechet_by_hand(*np.split(given.numpy(), 2, axis=1))
    assert built(FID).of_all(given) == pytest.approx(expected, rel=1e-6)
    assert built(FID).of_all(given.float()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("count", [12, 200])
def test_fid_is_that_of_torchmetrics(built, count):
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Identity(nn.Module):
        num_features = 30

        def forward(self, given):
            return given

    given = rows(count, 30)
    other = FrechetInceptionDistance(feature=Identity())
    for side, real in zip(given.chunk(2, 1), (False, True), strict=True):
        other.update(side, real=real)
    assert built(FID).of_all(given) == pytest.approx(float(other.compute()), rel=1e-4)


@pytest.mark.parametrize("count", [2, 40])
def test_kid_is_the_unbiased_estimate_of_gretton(built, count, monkeypatch):
    monkeypatch.setattr(inception, "BLOCK", 7)
    given = rows(count, 30)
    expected = kernel_distance_by_hand(*np.split(given.numpy(), 2, axis=1))
    assert built(KID).of_all(given) == pytest.approx(expected, rel=1e-9)


def test_kid_is_that_of_torchmetrics_but_for_outputs_and_their_own_targets(built):
    from torchmetrics.image.kid import poly_mmd

    given, n = rows(40, 30), 40
    other = float(poly_mmd(*given.chunk(2, 1)))  # the mean of k(x, y) is over all n * n
    across = kernel(*np.split(given.numpy(), 2, axis=1))
    without_own = (across.sum() - across.trace()) / (n * (n - 1))
    expected = other + 2 * across.mean() - 2 * without_own
    assert built(KID).of_all(given) == pytest.approx(expected, rel=1e-9)


def test_the_interval_of_kid_is_that_of_leaving_out_each_pair(built):
    given = rows(20, 6)
    x, y = np.split(given.numpy(), 2, axis=1)
    each = np.arange(20)
    others = [kernel_distance_by_hand(x[each != i], y[each != i]) for i in each]
    error = np.sqrt(19 / 20 * ((others - np.mean(others)) ** 2).sum())
    value = kernel_distance_by_hand(x, y)
    expected = (value - 1.959964 * error, value + 1.959964 * error)
    assert built(KID).interval(given, 0.95) == pytest.approx(expected, rel=1e-6)
    assert built(KID).interval(given[:2], 0.95) is None


@pytest.mark.parametrize("likeness", [0.0, 0.6])
def test_the_interval_of_kid_holds_the_value_as_often_as_it_says(built, likeness):
    """Where outputs resemble their targets, too."""
    made = torch.Generator().manual_seed(0)

    def drawn(count):
        one, other = torch.randn(2, count, 64, generator=made, dtype=torch.float64)
        return one, likeness * one + (1 - likeness**2) ** 0.5 * other + 0.5

    truth = built(KID).of_all(torch.cat([drawn(2000)[0], drawn(2000)[1]], 1))
    bounds = [built(KID).interval(torch.cat(drawn(40), 1), 0.9) for _ in range(200)]
    assert 0.84 < np.mean([low < truth < high for low, high in bounds]) < 0.96


def test_equal_sets_have_a_fid_and_a_kid_of_0(built):
    given = rows(50, 20, same=True)
    assert built(KID).of_all(given) == pytest.approx(0, abs=1e-9)
    assert 0 <= built(FID).of_all(given) < 1e-9
    others = torch.cat([given[:, :20], given[:, 20:].flip(0)], 1)  # the same targets, of others
    assert 0 <= built(FID).of_all(others) < 1e-9


@pytest.mark.parametrize("kind", [FID, KID])
def test_the_order_of_images_and_their_batches_change_nothing(built, kind):
    output, target = torch.rand(2, 9, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    whole, parts = built(kind), built(kind)
    whole.update(output, target)
    for at in ([8, 1, 2], [0], [7, 6, 5, 4, 3]):
        parts.update(output[at], target[at])
    assert parts.compute() == pytest.approx(whole.compute(), rel=1e-9)
    whole.reset()
    assert math.isnan(whole.compute())
    whole.update(output[:1], target[:1])
    assert math.isnan(whole.compute())


def test_fid_says_that_few_images_make_it_too_high(built):
    assert "400 images are fewer than the 2,048 features" in built(FID).remark(400)
    assert built(FID).remark(2048) is None
    assert built(FID).interval(rows(9, 5), 0.95) is None
    assert built(KID).remark(400) is None


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import nothing_like_it", "No module named 'nothing_like_it'"),
        ("raise OSError('libx.so: cannot open\\nsecond line')", "libx.so: cannot open"),
        ("raise RuntimeError('operator torchvision::nms does not exist')", "same index as torch"),
        ("assert False", "AssertionError"),
    ],
)
def test_a_library_that_cannot_be_imported_is_one_line(code, reason, tmp_path, monkeypatch):
    (tmp_path / "broken_library.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImtransError) as raised:
        imported("broken_library", extra="metrics")
    message = str(raised.value)
    assert message.startswith("'broken_library' cannot be imported: pip install \"imtrans[metrics]")
    assert reason in message
    assert "\n" not in message


def run_apart(*arguments):
    """pytest in a process of its own, on the tests of real networks and the contracts."""
    files = ["tests/components/real_networks.py", "tests/house/test_contracts.py"]
    # kid differs from fid in what it makes of the features, which is tested above.
    chosen = "real_networks or torchmetrics or metric and (fid or lpips)"
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [*command, *files, "-k", chosen, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " skipped" not in done.stdout, done.stdout


@pytest.fixture
def packages():
    if not (ROOT / "build" / "metrics" / "lpips").is_dir():
        pytest.skip("no lpips and torch-fidelity in build/metrics: make soak puts them there")


@pytest.mark.soak
@pytest.mark.usefixtures("packages")
def test_the_real_networks_keep_the_contracts_of_metrics_and_are_those_of_torchmetrics():
    run_apart("-m", "not gpu")
