"""Intervals: of draws that are always the same, as wide as few images ask for."""

import numpy as np
import pytest
import torch

from imtrans.evaluation import intervals
from imtrans.evaluation.intervals import bounds, quantile_of_t, resampled_means


@pytest.mark.parametrize(
    ("share", "freedom", "known"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.3027), (0.975, 7, 2.3646), (0.95, 4, 2.1318)]
    + [(0.975, 29, 2.0452), (0.975, 2.5, 3.5747), (0.975, 10000, 1.9602), (0.5, 5, 0.0)],
)
def test_quantiles_are_those_of_the_tables(share, freedom, known):
    assert quantile_of_t(share, freedom) == pytest.approx(known, abs=2e-4)


def test_means_are_of_resampled_images():
    rows = torch.randn(50, 2, generator=torch.Generator().manual_seed(0)).double()
    (means,) = resampled_means([rows])
    assert means.shape == (2000, 2)
    assert means.mean(0) == pytest.approx(rows.mean(0), abs=0.02)
    expected = rows.std(0, correction=0) / 50**0.5
    assert means.std(0) == pytest.approx(expected, rel=0.06)
    assert torch.equal(resampled_means([rows])[0], means)


def test_columns_share_their_draws_and_rows_that_are_missing_do_not_count():
    rows = torch.arange(12.0).double()[:, None]
    some = rows.clone()
    some[3:] = torch.nan
    all_, known, again = resampled_means([rows, some, rows])
    assert torch.equal(all_, again)
    drawn = known[known.isfinite()]
    assert bool((drawn <= 2).all())
    assert drawn.mean() == pytest.approx(1, abs=0.1)


def test_draws_do_not_depend_on_how_many_fit_into_memory(monkeypatch):
    rows = torch.randn(30, 1, generator=torch.Generator().manual_seed(1)).double()
    whole = resampled_means([rows])
    monkeypatch.setattr(intervals, "AT_ONCE", 1000)
    assert torch.allclose(resampled_means([rows])[0], whole[0])


# No interval of resampled images reaches beyond the images: of five it cannot be wide enough.
@pytest.mark.parametrize(("n", "least"), [(5, 0.87), (8, 0.915), (40, 0.925)])
def test_an_interval_holds_the_truth_about_as_often_as_it_says(n, least):
    rows = torch.from_numpy(np.random.default_rng(n).normal(3.0, 2.0, (n, 400)))
    (means,) = resampled_means([rows])
    values = rows.mean(0).tolist()
    intervals_ = [bounds(value, column, n) for value, column in zip(values, means.T, strict=True)]
    held = sum(low <= 3.0 <= high for low, high in intervals_)
    assert least <= held / 400 <= 0.985


def test_the_interval_of_what_histograms_share_holds_what_those_of_all_images_share():
    """Two histograms of some images share less than those of all images do, and resampled ones less
    again: of these narrow ones, the percentiles alone hold the truth in 40 % of the cases."""
    random, bins = np.random.default_rng(0), 120
    places = random.uniform(0, 60, (2, 2000, 1)) + np.array([20, 40])[:, None, None]
    shapes = np.exp(-((np.arange(bins) - places) ** 2) / 30)
    every = torch.from_numpy(shapes / shapes.sum(-1, keepdims=True))  # (outputs and targets, n, K)

    def shared(rows):
        return torch.minimum(*rows.split(bins, -1)).sum(-1)

    whole = torch.cat(list(every), 1)
    truth, held = float(shared(whole.mean(0))), 0
    for _ in range(60):
        some = whole[random.integers(0, 2000, 30)]
        (means,) = resampled_means([some])
        low, high = bounds(float(shared(some.mean(0))), shared(means), 30)
        held += low <= truth <= high
        assert high <= 1
    assert held >= 0.75 * 60


def test_fewer_than_five_images_have_no_interval():
    for n in (1, 2, 4):  # two images would hold the truth every other time
        rows = torch.arange(n).double()[:, None]
        assert bounds(float(rows.mean()), resampled_means([rows])[0][:, 0], n) is None


def test_a_row_that_is_not_finite_is_none():
    rows = torch.tensor([[1.0], [torch.inf], [3.0], [torch.nan]])
    (means,) = resampled_means([rows])
    assert bool(means.isfinite().all())
    assert float(means.max()) == 3
