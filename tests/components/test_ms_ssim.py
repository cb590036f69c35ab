"""Structural similarity at several scales, against the formula written out in numpy."""

import math

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from imtrans.components.metrics.ms_ssim import SMALLEST, MultiScaleSSIM


def pictures(seed, height, width, channels=3):
    """Blurred noise, so that neighbouring pixels have something in common."""
    made = torch.Generator().manual_seed(seed)
    coarse = torch.rand(2, channels, 30, 30, generator=made)
    target = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    noise = 0.2 * torch.randn(target.shape, generator=made)
    return (target + noise).clamp(0, 1) * 2 - 1, target * 2 - 1


def by_hand(output, target):
    """Of one channel (H, W), in [0, 1], float64."""
    x = np.arange(11) - 5
    window = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(image):
        return np.einsum("hwij,ij->hw", sliding_window_view(image, (11, 11)), window)

    value = 1.0
    for scale, weight in enumerate([0.0448, 0.2856, 0.3001, 0.2363, 0.1333]):
        a, b = mean(output), mean(target)
        var_a, var_b = mean(output**2) - a**2, mean(target**2) - b**2
        both = mean(output * target) - a * b
        near = (2 * both + 0.03**2) / (var_a + var_b + 0.03**2)
        if scale == 4:
            near *= (2 * a * b + 0.01**2) / (a**2 + b**2 + 0.01**2)
        value *= max(near.mean(), 0) ** weight
        height, width = (side // 2 * 2 for side in output.shape)
        output, target = (
            image[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
            for image in (output, target)
        )
    return value


@pytest.mark.parametrize("size", [(176, 176), (179, 190)])
def test_it_is_the_formula_of_each_channel_and_their_mean(size):
    output, target = pictures(0, *size)
    found = MultiScaleSSIM().rows(output, target)
    unit = [((side.double() + 1) / 2).numpy() for side in (output, target)]
    expected = [
        np.mean([by_hand(unit[0][image, channel], unit[1][image, channel]) for channel in range(3)])
        for image in range(2)
    ]
    assert found.tolist() == pytest.approx(expected, abs=1e-5)
    assert 0.1 < found.min() < found.max() < 0.999


def test_torchmetrics_says_nearly_the_same_of_grey_images():
    """It takes mirrored margins into the coarsest scale, so that the last digits differ."""
    from torchmetrics.functional.image import (
        multiscale_structural_similarity_index_measure as other,
    )

    output, target = pictures(1, 256, 256, channels=1)
    unit = (output + 1) / 2, (target + 1) / 2
    expected = other(*unit, data_range=1.0, reduction="none")
    found = MultiScaleSSIM().rows(output, target)
    assert found.tolist() == pytest.approx(expected.tolist(), abs=2e-4)


def test_images_without_a_window_at_the_coarsest_scale_have_none():
    metric = MultiScaleSSIM()
    metric.update(*pictures(0, SMALLEST - 1, 300))
    assert math.isnan(metric.compute())
    metric.update(*pictures(0, SMALLEST, 300))
    assert math.isfinite(metric.compute())


def test_equal_images_have_1_and_opposite_ones_0():
    target = pictures(2, 176, 176)[1]
    assert MultiScaleSSIM().rows(target, target).tolist() == pytest.approx([1, 1], abs=1e-6)
    assert MultiScaleSSIM().rows(-target, target).tolist() == [0, 0]
    flat = torch.full((1, 3, 176, 176), -1.0)
    assert MultiScaleSSIM().rows(flat, flat).tolist() == [1]
