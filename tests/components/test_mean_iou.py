"""How well label maps agree, against counts of a confusion matrix."""

import math

import numpy as np
import pytest
import torch
from metrics_built import GREYS

from imtrans.api.errors import ImtransError
from imtrans.components.metrics.mean_iou import MeanIoU
from imtrans.recipe.catalog import catalog

COLOURS = [[0, 0, 0], [255, 0, 0], [0, 0, 255], [250, 250, 10], [1, 200, 3]]


def maps(seed, classes=5, count=3):
    made = torch.Generator().manual_seed(seed)
    return torch.randint(0, classes, (count, 20, 24), generator=made)


def one_hot(classes, count=5):
    return torch.nn.functional.one_hot(classes, count).movedim(-1, 1).float() * 2 - 1


def coloured(classes, noise=0.0):
    levels = torch.tensor(COLOURS)[classes].movedim(-1, 1).float()
    made = torch.Generator().manual_seed(0)
    blurred = levels + noise * torch.randn(levels.shape, generator=made)
    return blurred.round().clamp(0, 255) / 127.5 - 1


def by_hand(said, truth):
    """Of all pixels, as Long et al. 2015 write it: n[i, j] pixels of class i are said to be j."""
    n = np.zeros((5, 5))
    np.add.at(n, (truth.flatten(), said.flatten()), 1)
    right, total = n.diagonal(), n.sum(1)
    there = total > 0
    union = (total + n.sum(0) - right)[there]
    return {
        "mean_iou": np.mean(right[there] / union),
        "pixel_accuracy": right.sum() / n.sum(),
        "class_accuracy": np.mean(right[there] / total[there]),
    }


@pytest.mark.parametrize("classes", [5, 4])  # of 4, one class occurs in no target
def test_channels_and_colours_have_the_values_of_the_formulas(classes):
    said, truth = maps(0), maps(1, classes)
    expected = pytest.approx(by_hand(said, truth), abs=1e-6)
    channels, colours = MeanIoU(), MeanIoU(palette=COLOURS)
    assert (channels.of_pictures, colours.of_pictures) == (False, True)
    channels.update(one_hot(said) * 0.3, one_hot(truth))
    colours.update(coloured(said, noise=20), coloured(truth, noise=20))
    assert channels.compute() == expected
    assert colours.compute() == expected
    assert torch.equal(channels.compared_with(one_hot(truth)), truth.int())
    assert torch.equal(colours.compared_with(coloured(truth, noise=20)), truth.int())


def test_equal_maps_have_1_whatever_classes_they_lack():
    metric = MeanIoU(palette=COLOURS)
    metric.update(coloured(maps(0, 2)), coloured(maps(0, 2)))
    assert set(metric.compute().values()) == {1.0}


def test_values_of_resampled_images_are_those_of_each_without_a_warning():
    metric = MeanIoU()
    truth = torch.stack([maps(0, classes, 1)[0] for classes in (1, 2, 5)])
    rows = metric.rows(one_hot(maps(1)), one_hot(truth))
    together = metric.values(rows)
    assert all(values.isfinite().all() for values in together.values())
    for at in range(3):
        alone = by_hand(maps(1)[at], truth[at])
        found = {name: float(values[at]) for name, values in together.items()}
        assert found == pytest.approx(alone, abs=1e-6)


def test_of_colours_that_are_equally_near_the_first_counts():
    metric = MeanIoU(palette=[[0, 0, 0], [0, 0, 2]])
    between = torch.tensor([0, 0, 1]).view(1, 3, 1, 1).expand(1, 3, 9, 9) / 127.5 - 1
    assert not metric.compared_with(between).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_targets_that_are_no_classes_are_one_line(channels):
    image = torch.rand(2, channels, 8, 8)
    with pytest.raises(ImtransError, match=rf"^mean_iou: the {channels} channels .* palette = "):
        MeanIoU().update(image, image)


@pytest.mark.parametrize(
    "palette", [[], [[0, 0, 0]], [[0, 0, 0], [0, 0, 256]], [[0, 0, -1], [0, 0, 0]], [[0, 0, 0]] * 2]
)
def test_a_palette_has_two_colours_or_more(palette):
    with pytest.raises(ImtransError, match=r"palette = .* two colours or more"):
        catalog().metrics["mean_iou"].build(palette=palette)
    with pytest.raises(ValueError, match=r"palette"):
        catalog().metrics["mean_iou"].build(palette=[[0, 0], [1, 1]])
    assert catalog().metrics["mean_iou"].build(palette=GREYS)


def test_without_images_there_is_no_value():
    assert math.isnan(MeanIoU().compute())
