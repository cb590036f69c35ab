"""Validation pairs are read once and translated together; the numbers are those of each alone."""

import math

import pytest
import torch
from drawn import write_pairs
from plugged import with_plugin
from torch.utils._python_dispatch import TorchDispatchMode

from imtrans.components.metrics import pixel_metrics
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training import kept_samples
from imtrans.training.kept_samples import KeptSamples, by_size
from imtrans.training.validation import Validation
from imtrans.training.viewing import viewing
from imtrans.translation import grouping
from imtrans.translation.translator import Translator

CPU = torch.device("cpu")


@pytest.fixture
def validating(tiny_file, pairs):
    """A validation of the tiny recipe on eight pairs, three of them of another size."""
    write_pairs(pairs / "val", 8)
    write_pairs(pairs / "val", 3, (70, 96))

    def made(*overrides, installed=None, precision="fp32"):
        installed = installed or catalog()
        task = Task(recipes.read(tiny_file, overrides, installed), installed)
        module = task.method(CPU).translators()["generator"]
        given = []
        module.register_forward_pre_hook(lambda _, inputs: given.append(len(inputs[0])))
        shown = Translator(module, task.encoding, device=CPU, precision=precision, scale=task.scale)
        validation = Validation(task, shown)
        validation.given = given
        return validation

    return made


def values(measured):
    return {name: one.value for name, one in measured.items()}


def one_by_one(validation):
    """What is measured by the book: file after file, image after image."""
    task, shown = validation.task, validation.translator
    metrics = task.metrics()
    with viewing(shown):
        for pair in validation.pairs:
            sample = task.sampler.measured(pair, task.scale)
            source, target = task.encoding.encode(*(side[None] for side in sample))
            output = shown.output_at(source, *target.shape[-2:])
            for metric in metrics.values():
                metric.update(output.contiguous(), target.contiguous())
    return {name: metric.compute() for name, metric in metrics.items()}


@pytest.mark.parametrize(
    "network",
    [(), ("generator.name=unet_128", "data.load_size=128", "data.crop_size=128")],
)
@pytest.mark.parametrize("settings", [(), ("data.resize=shorter",), ("generator.norm=instance",)])
@pytest.mark.parametrize("precision", ["fp32", pytest.param("bf16", marks=pytest.mark.thorough)])
def test_the_numbers_are_those_of_each_image_alone(validating, network, settings, precision):
    validation = validating(*network, *settings, precision=precision)
    expected = one_by_one(validation)
    validation.given.clear()
    found = values(validation.measure())
    assert max(validation.given) > 3  # beside the three that are tried
    assert found == pytest.approx(expected, rel=1e-6 if precision == "fp32" else 1e-3)
    assert values(validation.measure()) == found


def test_what_draws_is_measured_alone(validating, monkeypatch):
    validation = validating()
    monkeypatch.setattr(validation.translator.module, "draws", True, raising=False)
    validation.measure()
    assert set(validation.given) == {1}


@pytest.fixture
def opened(monkeypatch):
    """The names of the pairs that are read, in their order."""
    from imtrans.data.samples import Sampler

    names, read = [], Sampler.measured

    def measured(self, pair, scale):
        names.append(pair.name)
        return read(self, pair, scale)

    monkeypatch.setattr(Sampler, "measured", measured)
    return names


def test_files_are_read_once(validating, opened):
    validation = validating()
    assert not opened
    first = values(validation.measure())
    assert len(opened) == len(set(opened)) == 8
    assert values(validation.measure()) == first
    assert len(opened) == 8


def test_what_has_no_room_is_read_again(validating, opened, monkeypatch):
    free = 1 + int(3.5 * 2 * 3 * 80 * 64 / kept_samples.SHARE)
    monkeypatch.setattr(kept_samples, "free_memory", lambda device: free)
    validation = validating()
    first = values(validation.measure())
    kept = len(validation._samples._kept)
    assert 0 < kept < 8
    opened.clear()
    assert values(validation.measure()) == first
    assert len(opened) == 8 - kept


def test_samples_are_kept_as_they_are_stored_and_no_more_of_their_files():
    whole = torch.zeros(3, 100, 100, dtype=torch.uint8)
    samples = KeptSamples(lambda index: (whole[:, :10, :10], whole[:, :10, 10:20]), 2, CPU)
    assert len(list(samples)) == 2
    for sample in samples._kept.values():
        assert all(side.untyped_storage().nbytes() == 300 for side in sample)


def test_without_knowing_what_is_free_samples_are_kept_too(monkeypatch):
    monkeypatch.setattr(kept_samples, "free_memory", lambda device: None)
    samples = KeptSamples(lambda index: (torch.zeros(1, 9, 9), torch.zeros(1, 9, 9)), 3, CPU)
    list(samples)
    assert len(samples._kept) == 3


def sized(*sides):
    return [
        (torch.full((1, side, side), at), torch.zeros(1, side, side))
        for at, side in enumerate(sides)
    ]


def order(samples, most=2):
    groups = by_size(samples, lambda source, target: most)
    return [[int(source[0, 0, 0]) for source, _ in group] for group in groups]


def test_samples_of_one_size_come_together_and_each_once():
    assert order(sized(4, 5, 4, 4, 6, 5)) == [[0, 2], [1, 5], [3], [4]]
    assert order([]) == []


def test_few_samples_wait_for_others(monkeypatch):
    monkeypatch.setattr(grouping, "PIXELS", 100)
    assert order(sized(4, 5, 6, 4, 5, 4), most=9) == [[2], [0, 3], [1, 4], [5]]


class Counted:
    """A metric of a third party, in the shape of torchmetrics."""

    higher_is_better = True

    def __init__(self):
        self.given = []

    def update(self, output, target):
        assert output.is_contiguous()
        self.given.append(len(output))

    def compute(self):
        return torch.tensor(float(len(self.given)))

    def reset(self):
        self.given = []


class CountedTogether(Counted):
    batched = True


def test_a_metric_gets_several_images_only_where_it_says_so(validating):
    installed = with_plugin(metrics={"one": Counted, "many": CountedTogether})
    validation = validating("validate.metrics=['one', 'many']", installed=installed)
    validation.measure()
    assert validation.metrics["one"].given == [1] * 8
    assert sorted(validation.metrics["many"].given) == [3, 5]


class Reads(TorchDispatchMode):
    """Counts how often a number is fetched, which waits for a device."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_numbers_are_read_once_in_the_end(validating):
    validation = validating()
    validation.measure()
    validation.measure()
    with Reads() as reads:  # the third: nothing is tried
        assert validation.measure()
    assert reads.count == 0
    metrics = [metric() for metric in (pixel_metrics.L1Distance, pixel_metrics.SSIM)]
    with Reads() as reads:
        for metric in metrics:
            metric.update(torch.rand(4, 3, 16, 16), torch.rand(4, 3, 16, 16))
    assert reads.count == 0


@pytest.mark.parametrize("metric", ["l1", "psnr", "ssim"])
def test_few_images_are_measured_at_once(metric, monkeypatch):
    output, target = torch.rand(2, 5, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    target[3] = output[3]
    built = catalog().metrics[metric].build()
    sizes, rows = [], built.rows

    def measured(one, other):
        sizes.append(len(one))
        return rows(one, other)

    built.rows = measured
    monkeypatch.setattr("imtrans.api.metric.PIXELS_ON_CPU", 2 * 20 * 20)
    built.update(output, target)
    assert sizes == [2, 2, 1]
    alone = []
    for one in range(5):
        built.reset()
        built.update(output[one : one + 1], target[one : one + 1])
        alone.append(built.compute())
    built.reset()
    built.update(output, target)
    assert built.compute() == pytest.approx(sum(alone) / 5, rel=1e-6)


def test_what_is_no_number_is_not_taken_for_equal():
    metric = pixel_metrics.PSNR()
    metric.update(torch.full((1, 3, 16, 16), math.nan), torch.zeros(1, 3, 16, 16))
    assert math.isnan(metric.compute())
