"""`imtrans bench translate`: every figure is there, and follows from the others."""

import json

import pytest
import torch

from imtrans.benchmark.translation import TranslationBench
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task

SMALL = ("--images", 5, "--rounds", 2)


def test_a_report_is_complete(imtrans, tiny_file, quick_bench):
    code, out, err = imtrans("bench", "translate", tiny_file, *SMALL, "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["image_size"], report["images"], report["device"]) == (64, 5, "cpu")
    assert report["batch"] == 8
    for name in ("plain", "pipeline", "network"):
        assert 0 < report[name]["low"] <= report[name]["median"] <= report[name]["high"]
    rounds = [report[name]["low"] for name in ("plain", "pipeline", "network")]
    assert report["faster"]["low"] <= report["faster"]["median"] <= report["faster"]["high"]
    most = report["pipeline"]["high"] / rounds[0]
    assert report["faster"]["high"] <= most * (1 + 1e-9)  # they are rounded
    stages = report["stages"]
    assert set(stages) == {"read", "finish", "write", "network"}
    assert 1 / report["floor"] >= stages["network"] / 1000


def test_every_figure_has_its_line(imtrans, tiny_file, quick_bench):
    code, out, err = imtrans("bench", "translate", tiny_file, *SMALL, "--precision", "fp32")
    assert (code, err) == (0, "")
    first, second, *rows = out.splitlines()
    assert "torch" in first
    assert "5 PNGs of 64 px, folder to folder, in turns, 2 rounds" in second
    assert [row.split("  ")[1] for row in rows[:3]] == [
        "plain loop",
        "imtrans translate",
        "network alone",
    ]
    assert "fp32, batches of 8" in rows[1]
    assert "times the plain loop" in rows[3]
    assert "of the network alone" in rows[4]
    assert rows[6].startswith("  floor: ")


def test_all_three_translate_the_same_pictures(tiny_file):
    task = Task(recipes.read(tiny_file, ("generator.width=8",), catalog()), catalog())
    bench = TranslationBench(task, torch.device("cpu"), "fp32", images=3, rounds=1)
    for plain, fast in zip(
        bench.plain.module.parameters(), bench.translator.module.parameters(), strict=True
    ):
        assert torch.equal(plain, fast)
    source = torch.rand(1, 3, 64, 64) * 2 - 1
    outputs = [each.output(source) for each in (bench.plain, bench.translator)]
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere",), "nowhere"),
        (("--set", "data.source.dtype='uint16'"), "only 8-bit pictures can be drawn"),
    ],
)
def test_a_mistake_is_one_line(imtrans, arguments, said):
    code, out, err = imtrans("bench", "translate", *arguments)
    assert (code, out) == (2, "")
    assert said in err
