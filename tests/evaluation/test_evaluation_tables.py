"""What metrics find in images is the same in any order, in any batches and in any parts."""

import math

import pytest
import torch
import torchmetrics

from imtrans.api.errors import ImtransError
from imtrans.api.metric import ImageMetric
from imtrans.data.encoding import Direct
from imtrans.evaluation.collector import Collector
from imtrans.evaluation.seen import SeenImages
from imtrans.evaluation.table import EvaluationTable, merged
from imtrans.recipe import defaults
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable

CPU = torch.device("cpu")
ENCODING = Direct(DataTable(root="."))
SIZES = [(180, 170)] * 3 + [(40, 64)] * 2 + [(180, 170)]


def images():
    """Outputs and targets of two sizes."""
    draw = torch.Generator().manual_seed(0)
    for height, width in SIZES:
        target = torch.rand(1, 3, height, width, generator=draw) * 2 - 1
        noise = torch.rand(1, 3, height, width, generator=draw) * 0.6 - 0.3
        yield (target + noise).clamp(-1, 1), target


def gathered(metrics, groups, count=6):
    """The columns that metrics make of the images, which come in groups."""
    collector, all_images = Collector(metrics, CPU), list(images())
    for group in groups:
        output, target = (
            torch.cat(side) for side in zip(*(all_images[i] for i in group), strict=True)
        )
        collector.add(group, SeenImages(ENCODING, target, output, target))
    return collector.columns(count)


def built(*names):
    return {name: catalog().metrics[name].build() for name in names}


def test_order_batches_and_parts_change_nothing():
    names = [name for name in defaults.EVALUATED if name in catalog().metrics]
    labels = [f"image {index}" for index in range(len(SIZES))]
    together = gathered(built(*names), [[0, 1, 2, 5], [3, 4]])
    alone = gathered(built(*names), [[5], [3], [1], [0], [4], [2]])
    whole, other = EvaluationTable(labels, together), EvaluationTable(labels, alone)
    assert list(whole.estimates) == list(other.estimates)
    for name, estimate in whole.estimates.items():
        assert estimate.value == pytest.approx(other.estimates[name].value, abs=1e-6), name
        assert estimate.low <= estimate.value <= estimate.high
    parts = [gathered(built(*names), [[i] for i in part]) for part in ([0, 2, 4], [5, 3, 1])]
    halves = [
        EvaluationTable([labels[i] for i in kept], {name: c.of(kept) for name, c in part.items()})
        for kept, part in zip(([0, 2, 4], [1, 3, 5]), parts, strict=True)
    ]
    assert merged(halves[::-1]).estimates == other.estimates


def test_parts_that_share_an_image_or_lack_a_metric_are_refused():
    one = EvaluationTable(["a"], gathered(built("l1"), [[0]], 1))
    two = EvaluationTable(["b"], gathered(built("psnr"), [[0]], 1))
    with pytest.raises(ImtransError, match="in several parts"):
        merged([one, one])
    with pytest.raises(ImtransError, match="other metrics"):
        merged([one, two])


def test_an_image_without_a_value_is_left_out_of_it():
    columns = gathered(built("l1", "ssim"), [[i] for i in range(len(SIZES))])
    columns["ssim"].rows[3:5] = math.nan
    table = EvaluationTable([str(i) for i in range(len(SIZES))], columns)
    assert table.of_each["ssim"][3:5] == [None, None]
    assert (table.estimates["ssim"].n, table.estimates["l1"].n) == (4, 6)


def test_worst_comes_first():
    table = EvaluationTable("abcdef", gathered(built("psnr"), [[i] for i in range(6)]))
    values = [table.of_each["psnr"][i] for i in table.ordered()]
    assert values == sorted(values)


class Sharpness:
    """A third party's metric, which has never heard of rows."""

    higher_is_better = True

    def __init__(self):
        self.reset()

    def update(self, output, target):
        self.values.append(float(output.std()))

    def compute(self):
        return sum(self.values) / len(self.values)

    def reset(self):
        self.values = []


def test_a_metric_that_is_a_mean_over_images_has_an_interval_whoever_wrote_it():
    metrics = {"sharp": Sharpness(), "mse": torchmetrics.MeanSquaredError()}
    table = EvaluationTable("abcdef", gathered(metrics, [[0, 1, 2, 5], [3, 4]]))
    expected = [float(output.std()) for output, _ in images()]
    assert table.of_each["sharp"] == pytest.approx([expected[i] for i in range(6)])
    assert table.estimates["sharp"].low < table.estimates["sharp"].high
    # Of larger images there are more pixels in the mean: it is none over images.
    errors = [((output - target) ** 2) for output, target in images()]
    pixels = torch.cat([one.flatten() for one in errors])
    assert table.estimates["mse"].value == pytest.approx(float(pixels.mean()), rel=1e-5)
    assert table.estimates["mse"].low is None


class Correlation(Sharpness):
    """One that needs two images at least."""

    def compute(self):
        if len(self.values) < 2:
            raise ValueError("two at least")
        return max(self.values) - min(self.values)


def test_a_metric_may_have_no_value_for_a_single_image():
    table = EvaluationTable("abcdef", gathered({"spread": Correlation()}, [[i] for i in range(6)]))
    assert table.of_each["spread"] == [None] * 6
    assert table.estimates["spread"].value > 0


class Writes(Sharpness):
    """One that uses what it is given as scratch paper."""

    def update(self, output, target):
        super().update(output, target)
        output.zero_(), target.fill_(1)


class WritesRows(ImageMetric):
    def rows(self, output, target):
        return output.zero_().flatten(1).mean(1)


def test_a_metric_that_writes_into_its_images_changes_no_other_metric():
    alone = gathered(built("l1"), [[0, 1, 2, 5], [3, 4]])["l1"]
    after = gathered(
        {"writes": Writes(), "rows": WritesRows(), **built("l1")}, [[0, 1, 2, 5], [3, 4]]
    )["l1"]
    assert torch.equal(after.rows, alone.rows)
    assert torch.equal(after.compared_with, alone.compared_with)


class Gives(Sharpness):
    """One whose value is what it was made with."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def compute(self):
        return self.value


@pytest.mark.parametrize("value", [torch.zeros(3), None, "much", {"given": None}, {"other": 1.0}])
def test_a_value_that_is_no_number_breaks_the_contract(value):
    with pytest.raises(ImtransError, match="the metric 'given' breaks its contract"):
        gathered({"given": Gives(value)}, [[0], [1]], 2)


class Rows(ImageMetric):
    """One whose rows are made by a function of the images."""

    def __init__(self, made, names=("given",)):
        super().__init__()
        self.made, self.names = made, names

    def rows(self, output, target):
        return self.made(output)

    def values(self, mean):
        return dict.fromkeys(self.names, mean[..., 0])


@pytest.mark.parametrize(
    "made",
    [lambda images: torch.zeros(7), lambda images: torch.zeros(len(images), images.shape[-1])],
)
def test_rows_of_another_number_or_width_break_the_contract(made):
    with pytest.raises(ImtransError, match="the metric 'given' breaks its contract"):
        gathered({"given": Rows(made)}, [[0, 1, 2, 5], [3, 4]])


def test_values_without_the_name_of_the_metric_break_the_contract():
    columns = gathered({"given": Rows(lambda x: x.mean((1, 2, 3)), ["other"])}, [[0], [1]], 2)
    with pytest.raises(ImtransError, match="none is named 'given'"):
        print(EvaluationTable("ab", columns).estimates)


def test_what_has_no_finite_value_is_said():
    metrics = {
        "given": Rows(lambda images: torch.where(images[:, 0, 0, 0] > 0.5, torch.inf, 1.0)),
        "nothing": Gives(math.nan),
        **built("ms_ssim"),
    }
    table = EvaluationTable("abcdef", gathered(metrics, [[0, 1, 2, 5], [3, 4]]))
    several = table.estimates["given"]
    assert 0 < several.n < 6
    assert (several.value, several.low, several.high) in ((1.0, 1.0, 1.0), (1.0, None, None))
    assert [remark.partition(":")[0] for remark in table.remarks] == [
        f"given is of {several.n} of 6 images",
        "nothing is missing",
        "ms_ssim is missing",
    ]


class Failing(Sharpness):
    """One that was written for other images."""

    def update(self, output, target):
        raise IndexError("channel 7 is out of range")


def test_a_metric_that_raises_is_named():
    with pytest.raises(ImtransError, match="'odd' failed: IndexError: channel 7 is out of range"):
        gathered({"odd": Failing()}, [[0]], 1)
