"""What the colours of outputs and targets share, against histograms of numpy."""

import numpy as np
import pytest
import torch
from kornia.color import rgb_to_lab

from imtrans.components.metrics.lab_histogram import LabHistogram

NAMES = ["lab_histogram_L", "lab_histogram_a", "lab_histogram_b"]


def pictures(seed, count, size=40):
    """Pictures rounded to 8 bits, in [-1, 1]."""
    made = torch.Generator().manual_seed(seed)
    levels = torch.randint(0, 256, (count, 3, size, size), generator=made)
    return levels.float() / 127.5 - 1


def lab(levels):
    """CIE Lab (..., 3) of sRGB (..., 3) in 0 ... 255, D65, by the formulas of the standards."""
    unit = levels / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    to_xyz = [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
    xyz = linear @ np.array(to_xyz).T / [0.95047, 1, 1.08883]
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 4 / 29), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def test_colours_are_those_of_cie_lab():
    levels = torch.cartesian_prod(*[torch.arange(0, 256, 5)] * 3).double()
    found = rgb_to_lab((levels / 255).float().T[:, :, None]).squeeze(-1).T
    assert np.abs(found.numpy() - lab(levels.numpy())).max() < 1e-4


def test_the_values_are_intersections_of_the_histograms_of_all_images():
    outputs, targets = pictures(0, 3) * 0.7, pictures(1, 3)
    metric = LabHistogram()
    for pair in zip(outputs.split(1), targets.split(1), strict=True):
        metric.update(*pair)
    found = metric.compute()

    shares = []
    for images in (outputs, targets):
        levels = ((images.double() + 1) * 127.5).movedim(1, -1).reshape(-1, 3).numpy()
        bins = [np.arange(low, 111) - 0.5 for low in (0, -110, -110)]
        each = [np.histogram(x, b)[0] for x, b in zip(lab(levels).T, bins, strict=True)]
        shares.append([counts / counts.sum() for counts in each])
    expected = [np.minimum(p, q).sum() for p, q in zip(*shares, strict=True)]
    # A colour on the edge of a bin may be in the next one.
    assert [found[name] for name in NAMES] == pytest.approx(expected, abs=1e-3)
    assert found["lab_histogram"] == pytest.approx(sum(found[name] for name in NAMES) / 3)
    assert 0.2 < found["lab_histogram"] < 0.95


def test_where_colours_are_does_not_matter():
    metric, targets = LabHistogram(), pictures(0, 2)
    metric.update(targets.flip(0, 2), targets)
    found = list(metric.compute().values())
    assert found == pytest.approx([1] * 4)
    assert max(found) <= 1


def test_grey_pictures_share_a_and_b_with_each_other():
    black, white = torch.full((1, 3, 8, 8), -1.0), torch.ones(1, 3, 8, 8)
    metric = LabHistogram()
    metric.update(black, white)
    assert [metric.compute()[name] for name in NAMES] == [0, 1, 1]


def test_every_colour_has_a_bin():
    levels = torch.cartesian_prod(*[torch.tensor([0, 1, 127, 254, 255])] * 3).float()
    corners = (levels / 127.5 - 1).T.view(1, 3, 1, -1)
    rows = LabHistogram().rows(corners, corners)
    assert rows.sum().item() == pytest.approx(6)


def test_values_of_many_mean_rows_are_those_of_each():
    rows = LabHistogram().rows(pictures(0, 4), pictures(1, 4))
    together = LabHistogram().values(rows.view(2, 2, -1))
    for name, values in together.items():
        assert torch.equal(values.flatten()[3], LabHistogram().values(rows[3])[name])
