"""The parts of `imtrans bench train`: the arithmetic of its figures, and what it measures."""

import multiprocessing
import operator
import os
import signal
import threading
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.benchmark import data_sets, own_process, rates, rounds
from imtrans.benchmark.data_sets import DRAWN, drawn, set_cost
from imtrans.benchmark.loader_timing import time_loader
from imtrans.benchmark.memory import peak
from imtrans.benchmark.own_process import NoMemory, in_own_process
from imtrans.benchmark.profiling import (
    Operation,
    _quietly,
    group_of,
    grouped,
    take_profile,
    what_binds,
)
from imtrans.benchmark.rates import flops_of, matrix_rate
from imtrans.benchmark.rounds import Spread, in_turns, ratio
from imtrans.benchmark.subject import build, engines, resized
from imtrans.data.cache.cache import CachedSide
from imtrans.data.cache.store import home
from imtrans.host.devices import choose_device
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task

CPU = torch.device("cpu")
MEGABYTE = 10**6


def no_message(line):
    raise AssertionError(f"no message was expected: {line}")


def subject_of(recipe, engine=None):
    return build(Task(recipe, catalog()), engine or engines(recipe, CPU)["fast"], no_message)


class Watching:
    """A stepper that keeps the shapes of the sources it is given."""

    def __init__(self, stepper):
        self.stepper, self.step, self.shapes = stepper, stepper.step, []

    def __call__(self, batch):
        self.shapes.append(batch.source.shape)
        return self.stepper(batch)


def test_a_ratio_is_taken_round_by_round():
    # Of the medians, 5 and 1.5, it would be 3.3.
    assert ratio([2.0, 8.0], [1.0, 2.0]) == Spread(3.0, 2.0, 4.0)
    assert ratio([9.0, 1.0, 3.0], [3.0, 1.0, 1.5]) == Spread(2.0, 1.0, 3.0)


def test_variants_take_turns_and_quick_ones_are_called_often_enough_to_be_timed(monkeypatch):
    clock, called = [0.0], []

    def taking(name, seconds):
        def call():
            called.append(name)
            clock[0] += seconds

        return call

    monkeypatch.setattr(rounds, "perf_counter", lambda: clock[0])
    variants = {"quick": taking("q", 0.0625), "slow": taking("s", 0.5)}
    seconds = in_turns(variants, 3, lambda: None, least=0.25)
    assert seconds == {"quick": [0.0625] * 3, "slow": [0.5] * 3}
    warm_up = rounds.WARM_UP + 1
    assert "".join(called) == "q" * warm_up + "s" * warm_up + "qqqqs" * 3


def test_the_time_of_a_device_that_works_on_its_own_counts(monkeypatch):
    clock = [0.0]

    def wait():
        clock[0] += 2.0

    monkeypatch.setattr(rounds, "perf_counter", lambda: clock[0])
    assert in_turns({"one": lambda: None}, 1, wait) == {"one": [2.0]}


@pytest.mark.parametrize(
    ("layer", "forward"),
    [
        # A product and a sum for each weight and each place of the output, or of the input.
        (nn.Conv2d(3, 8, 4, 2, 1), 2 * (3 * 8 * 16) * 8 * 8),
        (nn.ConvTranspose2d(3, 8, 4, 2, 1), 2 * (3 * 8 * 16) * 16 * 16),
    ],
    ids=["convolution", "transposed"],
)
def test_the_operations_of_a_convolution_are_counted(layer, forward):
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    assert flops_of(lambda: layer(image)) == forward
    # Its gradients are two convolutions more: for the weights, and for the image.
    assert flops_of(lambda: layer(image).sum().backward()) == 3 * forward


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_matrix_rate_is_a_rate_and_changes_no_setting(precision, monkeypatch):
    monkeypatch.setitem(rates.SIDES, "cpu", 64)
    before = torch.get_float32_matmul_precision()
    assert 1e3 < matrix_rate(CPU, precision) < 1e16
    assert torch.get_float32_matmul_precision() == before


@pytest.fixture
def forked(monkeypatch):
    """A process of its own is forked, where that can be: a fresh one takes seconds to start."""
    if "fork" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("fork")
        monkeypatch.setattr(own_process, "get_context", lambda method: context)


@pytest.mark.thorough
def test_a_process_of_its_own_answers_with_as_many_threads():
    assert in_own_process(torch.get_num_threads) == torch.get_num_threads()
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("function", "arguments", "error", "message"),
    [
        (choose_device, ("cuda:99",), ImtransError, "device 'cuda:99' is not available"),
        (bytearray, (2**62,), NoMemory, "MemoryError"),
        (os._exit, (9,), NoMemory, "ended with code 9"),
        (operator.truediv, (1, 0), RuntimeError, "ZeroDivisionError"),
    ],
    ids=["mistake", "memory", "killed", "fault"],
)
def test_a_process_of_its_own_says_why_it_failed(forked, function, arguments, error, message):
    with pytest.raises(error, match=message):
        in_own_process(function, *arguments)
    assert multiprocessing.active_children() == []


@pytest.mark.thorough
def test_only_the_parent_reacts_to_the_interrupt_of_a_terminal():
    # Ctrl-C reaches every process of a terminal; this one would end with a traceback.
    assert in_own_process(signal.getsignal, signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) != signal.SIG_IGN


@pytest.mark.thorough
def test_an_interrupt_ends_a_process_of_its_own(capfd):
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        in_own_process(time.sleep, 60)
    assert time.monotonic() - begun < 30
    assert multiprocessing.active_children() == []
    assert capfd.readouterr().err == ""


@pytest.mark.thorough
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="known on Linux only")
def test_peak_memory_is_of_the_training_alone(tiny):
    held = torch.ones(500 * MEGABYTE // 4)  # what starts the process is large
    found = peak(tiny, "plain", CPU)
    assert found is not None
    assert 2 * MEGABYTE < found < 250 * MEGABYTE
    del held


@pytest.mark.parametrize("chosen", ["auto", "plain"])
def test_both_engines_are_there_with_the_same_weights_and_batch(tiny, chosen):
    recipe = tiny.model_copy(update={"train": tiny.train.model_copy(update={"engine": chosen})})
    made = engines(recipe, CPU)
    plain, fast = (subject_of(recipe, made[name]) for name in ("plain", "fast"))
    assert (str(plain.engine), str(fast.engine)) == ("plain, fp32", "fast, fp32")
    assert torch.equal(plain.batch.source, fast.batch.source)
    weights = (subject.stepper.step.method.state_dict() for subject in (plain, fast))
    pairs = zip(*(tables.values() for tables in weights), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_another_batch_is_computed_at_once(tiny):
    train = tiny.train.model_copy(update={"accumulate": 4})
    made = resized(tiny.model_copy(update={"train": train}), batch=3, size=32)
    assert (made.train.batch_size, made.train.accumulate, made.data.crop_size) == (3, 1, 32)
    assert subject_of(made).batch.source.shape == (3, 3, 32, 32)


def test_batches_through_the_loader_are_whole_and_leave_no_cache(tiny, pairs):
    recipe = resized(tiny, batch=4)  # of six pairs
    subject = subject_of(recipe)
    watching = Watching(subject.stepper)
    watched = replace(subject, stepper=watching)
    with drawn(recipe, DRAWN) as stored:
        found = Task(stored, catalog()).pairs
        timing = time_loader(stored, catalog(), found[:6], "drawn pairs", watched, 0.01)
    assert set(watching.shapes) == {(4, 3, 64, 64)}
    assert 0 <= timing.waiting <= 1
    assert timing.images_per_second == pytest.approx(4 / timing.ms * 1000)
    assert timing.how == "drawn pairs, from the cache, workers 0"
    assert not home().exists()


@pytest.mark.soak
def test_waiting_for_slow_files_is_seen(tiny, monkeypatch):
    recipe = resized(tiny, batch=1)
    subject = subject_of(recipe)
    cut = CachedSide.cut
    monkeypatch.setattr(CachedSide, "cut", lambda *args: (time.sleep(0.3), cut(*args))[1])
    found = Task(recipe, catalog()).pairs
    assert time_loader(recipe, catalog(), found, "its pairs", subject, 0.01).waiting > 0.5


@pytest.mark.parametrize("count", [1, DRAWN, 25])
def test_a_data_set_of_any_size_is_made_of_a_few_files(tiny, count):
    with drawn(tiny, count) as stored:
        found = Task(stored, catalog()).pairs
        files = {os.stat(pair.a[0].path).st_ino for pair in found}
        assert (len(found), len(files)) == (count, min(count, DRAWN))
        folder = stored.data.root
    assert not os.path.exists(folder)


def test_a_file_system_without_links_is_given_copies(tiny, monkeypatch):
    def no_link(*args):
        raise OSError("too many links")

    monkeypatch.setattr(data_sets.os, "link", no_link)
    with drawn(tiny, 25) as stored:
        assert len(os.listdir(os.path.join(stored.data.root, "train"))) == 25


def test_photographs_are_drawn_for_a_recipe_that_derives_sources():
    recipe = recipes.read("colorize", ["data.crop_size=64", "data.load_size=64"], catalog())
    cost = set_cost(recipe, catalog(), 12, "cpu")
    assert cost.pairs == 12


def test_what_cannot_be_drawn_is_refused(tiny_file):
    deep = recipes.read(tiny_file, ['data.source.dtype="uint16"'], catalog())
    with pytest.raises(ImtransError, match="can be drawn"), drawn(deep, 3):
        pass


def test_the_cost_of_a_data_set_grows_with_its_pairs(tiny):
    few, many = (set_cost(tiny, catalog(), count, "cpu") for count in (10, 2000))
    assert (few.pairs, many.pairs) == (10, 2000)
    assert 100 < few.kept < many.kept < many.peak
    assert few.sent < many.sent
    values = (many.listing, many.looking_up, many.first_batch, many.batch)
    assert all(value > 0 for value in values)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("aten::convolution_backward", "convolution, backward"),
        ("aten::mkldnn_convolution", "convolution, forward"),
        ("aten::_convolution", "convolution, forward"),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", "convolution, backward"),
        ("aten::native_batch_norm_backward", "norms"),
        ("aten::_fused_adam_", "Adam"),
        ("Optimizer.step#Adam.step", "Adam"),
        ("aten::copy_", "casts and copies"),
        ("aten::_to_copy", "casts and copies"),
        ("aten::leaky_relu_backward", "activations and losses"),
        ("cpp_fused_convolution_leaky_relu_0", "fused by the compiler"),
        ("## Call CompiledFxGraph fhyx23punat ##", "fused by the compiler"),
        ("CompiledFunctionBackward", "fused by the compiler"),
        ("triton_poi_fused_native_batch_norm_3", "fused by the compiler"),
        ("sm90_xmma_fprop_implicit_gemm_bf16bf16_f32_nhwc", "convolution, forward"),
        ("sm80_xmma_wgrad_implicit_gemm_indexed_bf16_nhwc", "convolution, backward"),
        ("void cudnn::engines_precompiled::nchwToNhwcKernel<float>", "casts and copies"),
        ("void cudnn::bn_fw_tr_1C11_kernel_NCHW<float, float>", "norms"),
        ("aten::empty", "the rest"),
    ],
)
def test_operations_are_grouped_by_kind(name, group):
    assert group_of(name) == group


def test_shares_of_one_group_are_summed_and_the_largest_comes_first():
    rows = [("a", "norms", 0.2), ("b", "Adam", 0.5), ("c", "norms", 0.4)]
    found = grouped(Operation(*row, calls=1) for row in rows)
    assert list(found.items()) == [("norms", pytest.approx(0.6)), ("Adam", 0.5)]


@pytest.mark.parametrize(
    ("groups", "busy", "efficiency", "line"),
    [
        (
            {"convolution, forward": 0.3, "convolution, backward": 0.3, "Adam": 0.4},
            None,
            0.25,
            "convolutions: 60% of the step, at 25.0% of the device's matrix rate",
        ),
        ({"Adam": 0.7, "convolution, forward": 0.3}, 0.9, None, "Adam: 70% of the step"),
        ({"convolution, forward": 1.0}, 0.4, None, "the host: the device computes for 40%"),
        ({}, None, None, "convolutions: 0% of the step"),
    ],
)
def test_one_line_names_the_bottleneck(groups, busy, efficiency, line):
    assert what_binds(groups, busy, efficiency).startswith(line)


@pytest.mark.thorough
def test_a_profile_names_convolutions_and_makes_no_noise(tiny, capfd):
    subject = subject_of(tiny)
    found = take_profile(subject, 1e6, 1e9)
    assert capfd.readouterr() == ("", "")
    assert sum(found.groups.values()) == pytest.approx(1)
    assert found.groups["convolution, backward"] > 0
    assert any("convolution" in operation.name for operation in found.operations)
    shares = [operation.share for operation in found.operations]
    assert shares == sorted(shares, reverse=True)
    assert 0 < len(shares) <= 12
    backward = [o for o in found.operations if o.name == "aten::convolution_backward"]
    # Of one step: the generator once, the discriminator on a fake, on a real pair, and once more.
    method = subject.stepper.step.method
    networks = (method.generator, *[method.discriminator] * 3)
    layers = [layer for network in networks for layer in network.modules()]
    convolutions = [layer for layer in layers if isinstance(layer, nn.modules.conv._ConvNd)]
    assert backward[0].calls == len(convolutions)


def test_standard_error_is_back_after_a_fault(capfd):
    def fail():
        with _quietly():
            os.write(2, b"unheard")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
