"""`imtrans bench train` on the command line: every figure is there, and mistakes are one line."""

import json
import os
import re
import signal
import tempfile

import pytest

from imtrans.benchmark import loader_timing, training
from imtrans.benchmark.own_process import NoMemory
from imtrans.benchmark.rounds import Spread
from imtrans.benchmark.wording import speedup
from imtrans.cli.bench import numbers

MEGABYTE = 10**6


@pytest.mark.thorough
def test_a_report_is_complete(imtrans, tiny_file, quick_bench):
    options = ("--batch", "2,1", "--rounds", 2, "--sizes", "64,128,30", "--pairs", "10,20")
    code, out, err = imtrans(
        "bench", "train", "--recipe", tiny_file, *options, "--profile", "--json"
    )
    assert (code, err) == (0, "")
    report = json.loads(out)
    setting = report["setting"]
    assert setting["engines"] == {"plain": "plain, fp32", "fast": "fast, fp32"}
    assert (setting["image_size"], setting["device"], setting["threads"]) == (64, "cpu", 1)
    assert [row["batch"] for row in report["batches"]] == [1, 2]
    one, two = report["batches"]
    assert two["flops"] == 2 * one["flops"]
    for row in report["batches"]:
        for name in ("plain", "fast"):
            variant = row[name]
            assert variant["engine"].startswith(name)
            assert 0 < variant["ms"]["low"] <= variant["ms"]["median"] <= variant["ms"]["high"]
            seconds = variant["ms"]["median"] / 1000
            assert variant["images_per_second"] == pytest.approx(row["batch"] / seconds)
            assert variant["flops_per_second"] == pytest.approx(row["flops"] / seconds)
            rate = setting["matrix_rates"]["fp32"]
            assert variant["of_matrix_rate"] == pytest.approx(variant["flops_per_second"] / rate)
            assert variant["peak_memory"] == 7 * MEGABYTE
        assert row["ratio"]["low"] <= row["ratio"]["median"] <= row["ratio"]["high"]
        assert 0 <= row["loader"]["waiting"] <= 1
        assert row["loader"]["how"] == "its pairs, from the cache, workers 0"
    assert [row["size"] for row in report["sizes"]] == [64, 128]
    assert [row["pairs"] for row in report["data_sets"]] == [10, 20]
    assert report["profile"]["batch"] == 1
    assert [row["what"] for row in report["skipped"]] == ["30 px"]


@pytest.mark.soak
def test_every_figure_has_its_line(imtrans, tiny_file, quick_bench):
    options = ("--set", "data.root=nowhere", "--batch", 2, "--rounds", 2, "--pairs", 10)
    code, out, err = imtrans("bench", "train", tiny_file, *options, "--profile")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "1 threads; torch" in lines[0]
    networks = "pix2pix, resnet_6 + patch_16, vanilla + 100 l1, 33,216 parameters, 64 px"
    assert networks in lines[1]
    rows = [line.split() for line in lines]
    assert [row[:3] for row in rows if row[:1] == ["2"]] == [
        ["2", "plain,", "fp32"],
        ["2", "fast,", "fp32"],
    ]
    assert any(
        re.search(r"fast is \d+\.\d\dx (faster|slower) \(.* than plain, 2 rounds", line)
        for line in lines
    )
    assert any("(drawn pairs, from the cache, workers 0)" in line for line in lines)
    assert any(row[:1] == ["10"] and "(batch 1, workers 0)" in " ".join(row) for row in rows)
    assert any("calls  aten::convolution_backward" in line for line in lines)
    assert lines[-1].startswith("bound by ")


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        # time(plain) / time(fast): fast is faster where it is above 1.
        (Spread(1.51, 1.45, 1.54), "1.51x faster (1.45 - 1.54)"),
        (Spread(0.8, 0.5, 1.0), "1.25x slower (1.00 - 2.00)"),
        (Spread(1.0, 0.9, 1.1), "1.00x faster (0.90 - 1.10)"),
    ],
)
def test_the_ratio_of_the_times_is_a_speedup(ratio, text):
    assert speedup(ratio) == text


@pytest.mark.thorough
def test_where_memory_runs_out_smaller_batches_are_still_reported(
    imtrans, tiny_file, quick_bench, monkeypatch
):
    def short(recipe, engine, device):
        if recipe.train.batch_size > 1:
            raise NoMemory("its process ended with code -9")
        return MEGABYTE

    monkeypatch.setattr(training, "peak", short)
    code, out, _ = imtrans("bench", "train", "--recipe", tiny_file, "--batch", "1,2", "--rounds", 1)
    assert code == 0
    assert "not measured: batch 2 and larger: not enough memory" in out.splitlines()[-1]


def test_a_termination_leaves_no_files(imtrans, tiny_file, quick_bench, monkeypatch, tmp_path):
    def terminated(*args):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(loader_timing, "_timed", terminated)  # a cache has just been built
    there, before = sorted(tmp_path.iterdir()), signal.getsignal(signal.SIGTERM)
    code, _, err = imtrans("bench", "train", "--recipe", tiny_file, "--batch", 1, "--rounds", 1)
    assert (code, err) == (143, "")
    assert sorted(tmp_path.iterdir()) == there
    assert signal.getsignal(signal.SIGTERM) == before


def test_two_engines_that_do_not_fit_together_are_not_tried(
    imtrans, tiny_file, quick_bench, monkeypatch
):
    monkeypatch.setattr(training, "free_memory", lambda device: 10 * MEGABYTE)
    code, out, _ = imtrans("bench", "train", "--recipe", tiny_file, "--batch", 1)
    assert code == 1  # nothing was measured
    assert "(both engines need 14 MB, and 10 MB are free)" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--batch", "0"), "--batch '0': use whole numbers from 1, as in --batch 1,4,16"),
        (("--batch", "1,x"), "--batch '1,x'"),
        (("--batch", ""), "--batch ''"),
        (("--sizes", "64;128"), "--sizes '64;128'"),
        (("--pairs", "1e5"), "--pairs '1e5'"),
        (("--rounds", "0"), "--rounds"),
        (("--device", "cuda:99"), "device 'cuda:99' is not available"),
        (("--set", "train.compute=1"), "no key 'compute'"),
        (("--set", "data.crop_size=63"), "multiples of 4"),
    ],
)
def test_wrong_arguments_are_one_line(imtrans, tiny_file, quick_bench, options, message):
    code, out, err = imtrans("bench", "train", "--recipe", tiny_file, *options)
    assert (code, out) == (2, "")
    assert message in err


def test_an_unknown_recipe_is_an_error(imtrans):
    code, _, err = imtrans("bench", "train", "--recipe", "nope")
    assert code == 2
    assert err.startswith("error: ")


def test_numbers_are_sorted_and_unique():
    assert numbers("16, 4,1,4", "--batch") == [1, 4, 16]
