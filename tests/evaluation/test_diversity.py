"""Several outputs for each source: how far apart they are, and what they look like."""

import csv
import itertools
import json

import numpy as np
import pytest
import torch
from drawn import write_pairs
from flow_checkpoint import flow_recipe, saved
from PIL import Image
from third_party import with_plugin

import imtrans as package
from imtrans.api.errors import ImtransError
from imtrans.evaluation.comparison import PairedDifference
from imtrans.evaluation.diversity import Diversity, with_diversity
from imtrans.evaluation.verdict import verdict_of

METRICS = ("--metric", "l1", "--metric", "psnr")


@pytest.fixture
def flow(tiny_file, tmp_path):
    """A checkpoint of flow matching, and five validation pairs."""
    write_pairs(tmp_path / "pairs" / "val", 5)
    with with_plugin("flow_matching"):
        yield "--checkpoint", saved(flow_recipe(tiny_file), [], tmp_path / "flow")


def document(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_it_is_the_mean_over_all_pairs_of_outputs():
    outputs = torch.rand(2, 5, 3, 8, 8) * 2 - 1
    pairs = list(itertools.combinations(outputs.unbind(1), 2))
    expected = sum((a - b).abs().flatten(1).mean(1) for a, b in pairs) / len(pairs)
    first = outputs[:, 0]
    assert torch.allclose(Diversity(5).rows(first, first, outputs), expected)
    same = first[:, None].expand(-1, 5, -1, -1, -1)
    assert torch.equal(Diversity(5).rows(first, first, same), torch.zeros(2))


def test_it_is_a_column_beside_those_of_the_first_seed(imtrans, flow, tmp_path):
    command = ("evaluate", *flow, *METRICS, "--device", "cpu", "--output")
    assert imtrans(*command, "one")[0] == 0
    code, out, err = imtrans(*command, "several", "--samples", 3)
    assert (code, err) == (0, "")
    assert "diversity" in out
    assert "neither is better" in out
    one, several = document(tmp_path / "one"), document(tmp_path / "several")
    assert {name: several["metrics"][name] for name in one["metrics"]} == one["metrics"]
    found = several["metrics"]["diversity"]
    assert 0 < found["low"] < found["value"] < found["high"] < 2
    assert (found["higher_is_better"], several["samples"], one.get("samples")) == (None, 3, None)
    assert several["main"] == "l1"
    with (tmp_path / "several" / "metrics.csv").open() as file:
        rows = [float(row["diversity"]) for row in csv.DictReader(file)]
    assert sum(rows) / 5 == pytest.approx(found["value"], rel=1e-6)


def test_it_is_that_of_the_files_of_translate(imtrans, flow, tmp_path):
    assert imtrans("evaluate", *flow, "--samples", 3, "--output", "e", "--device", "cpu")[0] == 0
    model = package.load(flow[1], device="cpu")
    pair = tmp_path / "pairs" / "val" / "000.png"
    with Image.open(pair) as both:
        source = both.convert("RGB").crop((0, 0, both.width // 2, both.height))
    outputs = [np.asarray(model.with_seed(seed)(source)) / 127.5 for seed in range(3)]
    pairs = list(itertools.combinations(outputs, 2))
    expected = sum(np.abs(a - b).mean() for a, b in pairs) / 3
    with (tmp_path / "e" / "metrics.csv").open() as file:
        row = next(csv.DictReader(file))
    assert float(row["diversity"]) == pytest.approx(expected, abs=0.01)  # files are rounded


def test_a_sheet_shows_the_first_by_name(imtrans, flow, tmp_path):
    assert imtrans("evaluate", *flow, *METRICS, "--samples", 2, "--output", "e")[0] == 0
    assert document(tmp_path / "e")["sheet"] == "pictures/samples.png"
    with Image.open(tmp_path / "e" / "pictures" / "samples.png") as sheet:
        # Five rows of source | two samples | target, 80 x 64 px each and 4 px between them.
        assert sheet.size == (4 * 80 + 3 * 4, 5 * 64 + 4 * 4)


def test_shares_give_what_one_process_gives(imtrans, flow, tmp_path):
    command = ("evaluate", *flow, *METRICS, "--samples", 2, "--device", "cpu", "--output")
    assert imtrans(*command, "alone")[0] == 0
    for number in (2, 1):
        assert imtrans(*command, "together", "--shard", f"{number}/2")[0] == 0
    for name in ("metrics.json", "metrics.csv", "rows.safetensors", "pictures/samples.png"):
        one, other = (tmp_path / folder / name for folder in ("alone", "together"))
        assert one.read_bytes() == other.read_bytes(), name


def test_compare_calls_neither_side_better_by_it(imtrans, flow, tmp_path):
    for nfe in (1, 4):
        how = ("--samples", 2, "--nfe", nfe, "--device", "cpu", "--output", f"of-{nfe}")
        assert imtrans("evaluate", *flow, "--metric", "l1", *how)[0] == 0
    code, out, _ = imtrans("compare", "of-1", "of-4", "--json")
    assert code == 0
    found = json.loads(out)
    assert found["differences"]["diversity"][0]["better"] is None
    assert not any("diversity" in line for line in found["verdicts"])
    assert imtrans("compare", "of-1", "of-4", "--html", "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert "with better on the right, or more where neither is better." in page


def test_a_neutral_difference_is_more_or_less():
    words = [verdict_of(PairedDifference(v, 9, None, v - 1, v + 1)) for v in (2.0, -2.0, 0.5)]
    assert words == ["more", "less", "not told apart"]


def test_dropout_is_measured_as_it_is_translated(imtrans, tiny_file, tmp_path):
    write_pairs(tmp_path / "pairs" / "val", 2)
    small = ["generator.dropout=0.5"]
    model = ("--checkpoint", saved(tiny_file, small, tmp_path / "saved"))
    command = ("evaluate", *model, "--metric", "l1", "--output", "e", "--samples", 2)
    code, out, err = imtrans(*command)
    same = "error: --samples: each would be the same: this network draws no random numbers"
    assert (code, out, err) == (2, "", f"{same}; --dropout-seed 0 keeps its dropout on\n")
    assert imtrans(*command, "--dropout-seed", 3)[0] == 0
    found = document(tmp_path / "e")
    assert found["metrics"]["diversity"]["value"] > 0
    assert (found["dropout_seed"], found["samples"]) == (3, 2)


def test_a_seed_without_dropout_is_a_note(imtrans, tiny_file, tmp_path):
    write_pairs(tmp_path / "pairs" / "val", 2)
    model = ("--checkpoint", saved(tiny_file, ["generator.dropout=0.0"], tmp_path / "dry"))
    how = ("--metric", "l1", "--output", "e", "--dropout-seed", 1)
    code, out, _ = imtrans("evaluate", *model, *how)
    assert code == 0
    assert "note: this network has no dropout; --dropout-seed changes nothing" in out


def test_one_output_has_none(flow):
    with pytest.raises(ImtransError, match="diversity is that of two outputs or more"):
        package.evaluate(flow[1], metrics=["l1"], samples=1, output="e")
    with pytest.raises(ImtransError, match="a plugin's metric is called 'diversity'"):
        with_diversity({"diversity": Diversity(2)}, {}, 2)
