"""Checkerboards: how they are measured, and that upsampling by resizing leaves none."""

import pytest
import torch
from checkerboards import excess, measured

from imtrans.data.drawn.pairs import draw_pairs, write_pairs


def test_a_checkerboard_is_measured_at_its_stride():
    noise = torch.randn(20, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 0.2
    assert abs(excess(noise, 2)) < 2
    assert abs(excess(noise, 4)) < 2
    pattern = (torch.arange(64)[:, None] + torch.arange(96)) % 2 * 0.1
    assert excess(noise + pattern, 2) > 5
    corners = ((torch.arange(64)[:, None] % 4 == 0) & (torch.arange(96) % 4 == 0)) * 0.4
    assert excess(noise + corners, 4) > 5


@pytest.mark.thorough
def test_after_a_short_training_only_transposed_convolutions_leave_a_checkerboard(tmp_path):
    for split, seed in (("train", 0), ("val", 1)):
        write_pairs(tmp_path / split, draw_pairs(8, seed=seed, size=64))
    transposed, resized = (
        measured(tmp_path, "resnet_6", upsample, 0, steps=40, size=64)
        for upsample in ("transposed", "resize")
    )
    assert transposed["stride 2"] > resized["stride 2"] + 3
    assert resized["stride 2"] < resized["target 2"] + 3
