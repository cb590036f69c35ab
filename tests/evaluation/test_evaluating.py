"""`imtrans evaluate` on a run: what validation measures, of every pair, written down."""

import csv
import json
import shutil

import pytest
import torch
from drawn import write_pairs
from resealing import reseal

from imtrans.evaluation import of_run
from imtrans.host.locks import locked
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.run_dir import lock_of
from imtrans.task import Task
from imtrans.training.validation import Validation
from imtrans.translation.loading import load


@pytest.fixture
def run(finished_run, tmp_path, pairs):
    write_pairs(pairs / "val", 5)
    write_pairs(pairs / "test", 2, (70, 96))
    return finished_run(tmp_path / "runs" / "tiny")


def document(run, split="validation"):
    def refused(name):
        raise AssertionError(f"{name} is not JSON")

    text = (run / "evaluation" / split / "metrics.json").read_text()
    return json.loads(text, parse_constant=refused)


def test_values_are_those_that_validation_measures(imtrans, run):
    code, out, _ = imtrans("evaluate", "--recipe", "tiny", "--set", "train.precision=fp32")
    assert code == 0, out
    task = Task(recipes.read(run / "recipe.toml"), catalog())
    translator = load(run, precision="fp32")
    measured = Validation(task, translator).measure()
    found = document(run)
    for name, one in measured.items():
        assert found["metrics"][name]["value"] == pytest.approx(one.value, rel=2e-3), name
    assert (found["step"], found["n"], found["split"]) == (12, 5, "validation")
    assert found["checkpoint"] == "step_00000012"
    assert "psnr" in out
    assert "95 % interval" in out


def test_each_image_has_a_row_and_the_mean_of_the_rows_is_the_value(imtrans, run):
    imtrans("evaluate", "--recipe", "tiny")
    with (run / "evaluation" / "validation" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["000", "001", "002", "003", "004"]
    metrics = document(run)["metrics"]
    for name in ("l1", "psnr", "ssim"):
        mean = sum(float(row[name]) for row in rows) / len(rows)
        assert mean == pytest.approx(metrics[name]["value"], rel=1e-6)
        assert metrics[name]["low"] <= mean <= metrics[name]["high"]


def test_pictures_show_the_first_the_worst_and_the_best(imtrans, run):
    imtrans("evaluate", "--recipe", "tiny")
    found = document(run)
    shown, place = found["pictures"], run / "evaluation" / "validation"
    assert {why for one in shown for why in one["why"]} == {"first", "worst", "best"}
    assert all((place / one[side]).is_file() for one in shown for side in ("source", "output"))
    l1 = {one["name"]: one["values"]["l1"] for one in shown}
    worst = next(one["name"] for one in shown if "worst" in one["why"])
    assert l1[worst] >= sorted(l1.values())[-2]


def test_another_split_has_a_folder_of_its_own(imtrans, run, pairs):
    assert imtrans("evaluate", "--recipe", "tiny", "--split", "test")[0] == 0
    assert document(run, "test")["n"] == 2
    assert imtrans("evaluate", "--recipe", "tiny", "--split", "train")[0] == 0
    assert document(run, "train")["n"] == 6
    code, _, err = imtrans("evaluate", "--recipe", "tiny", "--split", "tset")
    assert code == 2
    assert "tset" in err
    assert len(err.strip().splitlines()) == 1


def test_splits_that_are_paths_have_folders_of_their_own(imtrans, run, pairs, tmp_path):
    write_pairs(tmp_path / "test", 3, (70, 96))
    for split in ("test", "../test", "./test", str(tmp_path / "test")):
        assert imtrans("evaluate", "--recipe", "tiny", "--split", split, "--metric", "l1")[0] == 0
    found = sorted(document(run, folder.name)["n"] for folder in (run / "evaluation").iterdir())
    assert found == [2, 2, 3, 3]
    assert all(folder.parent == run / "evaluation" for folder in (run / "evaluation").iterdir())
    code, _, err = imtrans("compare", "tiny", "tiny", "--split", "")
    assert (code, "it is empty" in err) == (2, True)


def test_a_run_that_is_being_trained_is_evaluated(imtrans, run):
    with locked(lock_of(run)):
        assert imtrans("evaluate", "--checkpoint", run)[0] == 0


def test_a_damaged_pair_is_named_and_skipped(imtrans, run, pairs):
    (pairs / "val" / "002.png").write_bytes(b"not an image at all, sorry")
    code, _, err = imtrans("evaluate", "--recipe", "tiny")
    assert code == 1
    assert "skipped: 002: " in err
    assert document(run)["n"] == 4
    assert document(run)["skipped"][0]["name"] == "002"


def test_no_readable_pair_is_one_line(imtrans, run, pairs):
    for file in (pairs / "val").iterdir():
        file.write_bytes(file.read_bytes()[:200])
    code, _, err = imtrans("evaluate", "--recipe", "tiny")
    assert code == 2
    assert err.startswith("error: none of 5 pairs could be measured: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--recipe", "tinny"], "no such run"),
        ([], "which model?"),
        (["--recipe", "tiny", "--metric", "pnsr"], "did you mean 'psnr'"),
        (["--recipe", "tiny", "--set", "l1.window=3"], "no key 'window'"),
        (["--recipe", "tiny", "--set", "data.rooot=x"], "did you mean 'root'"),
        (["--recipe", "tiny", "--set", "data.root=nowhere"], "nowhere"),
        (["--recipe", "tiny", "--scorer", "none.safetensors"], "no such file"),
        (["outputs"], "name two folders"),
        (["outputs", "targets", "--recipe", "tiny"], "not both"),
        (["outputs", "targets"], "outputs: no such folder"),
    ],
)
def test_mistakes_are_one_line_that_says_what_to_do(imtrans, run, arguments, line):
    code, _, err = imtrans("evaluate", *arguments)
    assert code == 2
    assert line in err
    assert "Traceback" not in err


def test_without_validation_pairs_it_says_so(imtrans, run, pairs):
    for split in ("val", "test"):
        for file in (pairs / split).iterdir():
            file.unlink()
        (pairs / split).rmdir()
    code, _, err = imtrans("evaluate", "--recipe", "tiny")
    assert code == 2
    assert "there are no validation pairs" in err


def test_metrics_that_are_asked_for_are_the_only_ones(imtrans, run):
    imtrans("evaluate", "--recipe", "tiny", "--metric", "ssim", "--metric", "l1")
    assert list(document(run)["metrics"]) == ["ssim", "l1"]
    assert document(run)["main"] == "ssim"


def test_a_checkpoint_outside_a_run_needs_an_output_folder(imtrans, run, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    (run / "checkpoints" / "step_00000012" / "generator.safetensors").rename(
        alone / "generator.safetensors"
    )
    code, _, err = imtrans("evaluate", "--checkpoint", alone)
    assert (code, "name an --output folder" in err) == (2, True)
    assert imtrans("evaluate", "--checkpoint", alone, "--output", tmp_path / "found")[0] == 0
    assert (tmp_path / "found" / "metrics.json").is_file()


def test_evaluating_leaves_random_numbers_alone(imtrans, run):
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    imtrans("evaluate", "--recipe", "tiny")
    assert torch.equal(torch.rand(3), expected)


def test_a_metric_of_a_plugin_that_is_gone_is_said(imtrans, run):
    for file in run.glob("checkpoints/*/*.safetensors"):
        reseal(
            file,
            lambda facts: (
                facts
                | {"recipe": facts["recipe"].replace("metrics = [", 'metrics = ["sharpness", ')}
            ),
        )
    code, out, _ = imtrans("evaluate", "--recipe", "tiny")
    assert code == 0
    assert "'sharpness' is not measured: no plugin here has such a metric" in out


def test_only_what_is_measured_is_said_to_be(imtrans, run):
    assert "look like label maps" in imtrans("evaluate", "--recipe", "tiny")[1]
    own = "mean_iou.palette=[[0,0,0],[255,255,255]]"
    for arguments in (("--metric", "l1"), ("--set", own)):
        assert "look like label maps" not in imtrans("evaluate", "--recipe", "tiny", *arguments)[1]


def test_a_scorer_that_nobody_named_is_asked_for(imtrans, run):
    code, _, err = imtrans("evaluate", "--recipe", "tiny", "--metric", "fcn_score")
    assert (code, "name it as --scorer FILE" in err) == (2, True)


def test_a_metric_without_a_direction_breaks_its_contract(imtrans, run, monkeypatch):
    monkeypatch.setattr("imtrans.components.metrics.pixel_metrics.PSNR.higher_is_better", None)
    code, _, err = imtrans("evaluate", "--recipe", "tiny", "--metric", "psnr")
    assert (code, "neither true nor false" in err) == (2, True)


def test_the_limit_of_pixels_can_be_lowered_for_a_run(imtrans, run):
    code, _, err = imtrans("evaluate", "--recipe", "tiny", "--max-pixels", 100)
    assert (code, "none of 5 pairs" in err) == (2, True)


@pytest.mark.parametrize("side", ["source", "target"])
def test_channels_that_were_not_trained_on_are_one_line(imtrans, run, side):
    classes = f"data.{side}.classes=[[0,0,0],[255,255,255]]"
    code, _, err = imtrans("evaluate", "--recipe", "tiny", "--set", classes)
    assert (code, f"3 channels in the {side}, and --set makes it 2" in err) == (2, True)


def test_an_evaluation_with_other_settings_is_remarked_in_a_comparison(imtrans, run, tmp_path):
    shutil.copytree(run, tmp_path / "runs" / "other")
    recipe = tmp_path / "runs" / "other" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('"vanilla"', '"lsgan"'))
    imtrans("evaluate", "--recipe", "tiny", "--set", "data.flip=false")
    assert document(run)["set"] == ["data.flip=false"]
    out = imtrans("compare", "tiny", "other")[1]
    assert "runs/tiny: was evaluated with --set data.flip=false" in out
    assert "runs/other: was evaluated with" not in out


def test_a_checkpoint_that_is_removed_meanwhile_was_loaded_before(imtrans, run, monkeypatch):
    usual = of_run.palette_of_targets

    def removed(task, pairs):
        shutil.rmtree(run / "checkpoints" / "step_00000012")
        return usual(task, pairs)

    monkeypatch.setattr(of_run, "palette_of_targets", removed)
    code, _, err = imtrans("evaluate", "--recipe", "tiny")
    assert code == 0, err
