"""Whole trainings: continued, on several ranks, validated, translated in several samples."""

import pytest

pytest.importorskip("imtrans_bridge", reason="not installed: pip install -e plugins/imtrans-bridge")

import json
import shutil
import sys

import numpy as np
import torch
from forked_ranks import Ranks, commands
from PIL import Image

import imtrans as package
from imtrans.api.method import Batch
from imtrans.runs.weights import read_tensors
from imtrans.training.fit import fit
from imtrans.training.step.engine import plain
from imtrans.training.step.step import Step

CPU = torch.device("cpu")


def tensors(folder):
    return {
        f"{path.stem}/{key}": tensor
        for path in sorted(folder.glob("*.safetensors"))
        for key, tensor in read_tensors(path).items()
    }


@pytest.mark.parametrize("kept", [2, pytest.param(3, marks=pytest.mark.thorough)])
def test_a_continued_run_ends_with_the_tensors_of_an_uninterrupted_one(whole, tmp_path, kept):
    """From the middle of an epoch of three steps: with its draws of times, noise and dropout."""
    task, run, resumed = *whole, tmp_path / "resumed"
    end = max(path.name for path in (run / "checkpoints").iterdir())
    shutil.copytree(run, resumed)
    for path in sorted((resumed / "checkpoints").iterdir())[kept:]:
        shutil.rmtree(path)
    fit(task, resumed)
    one, other = (tensors(each / "checkpoints" / end) for each in (run, resumed))
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    assert any(not torch.equal(one[f"training/learning/{k}"], one[k]) for k in averaged(one))


def averaged(found):
    return [key for key in found if key.startswith("generator/")]


def test_losses_are_logged_and_outputs_are_validated(whole):
    task, run = whole
    losses = [json.loads(row)["bridge"] for row in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < loss < 10 for loss in losses)
    rows = [json.loads(row) for row in (run / "validation.jsonl").read_text().splitlines()]
    assert {"step", "l1", "psnr", "ssim"} <= rows[-1].keys()
    assert rows[-1]["step"] == 6
    assert sorted((run / "samples").glob("*.png"))


def test_more_steps_have_a_lower_loss(task_of):
    task = task_of("train.learning_rate=5e-3", "method.dropout=0.0")
    step = Step(task.method(CPU), plain(CPU), task.recipe.train)
    torch.manual_seed(0)
    source = torch.rand(4, 3, 16, 16) * 2 - 1
    losses = [float(step(Batch(source, -0.5 * source))["bridge"]) for _ in range(60)]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def descend(group, method, train, folder):
    """Three steps, of other pairs on each rank."""
    step = Step(method, plain(CPU), train)
    step.join(group, print)
    torch.manual_seed(group.rank.number)
    for _ in range(3):
        batch = Batch(*(torch.rand(2, 2, 3, 16, 16) * 2 - 1))
        step(batch)
    weights = torch.cat([weight.detach().flatten() for weight in method.parameters()])
    noise = method(batch).noise
    torch.save((weights, noise), folder / f"{group.rank.number}.pt")


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_ranks_that_draw_different_noise_stay_equal(task_of, tmp_path):
    task = task_of()
    method = task.method(CPU)
    Ranks(tmp_path / "ranks", 2, descend, method, task.recipe.train, tmp_path).done()
    (one, noise), (other, another) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert torch.equal(one, other)
    assert not torch.equal(noise, another)


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_two_ranks_train_a_run(tiny_file, tmp_path):
    run = tmp_path / "run"
    options = ("--set", "train.ema=0.9")
    ranks = commands(tmp_path / "ranks", 2, "train", tiny_file, "--run-dir", run, *options).done()
    assert "4 steps trained" in ranks.out
    assert ranks.err == ""


def test_a_recipe_is_checked(tiny_file, imtrans):
    code, out, err = imtrans("check", tiny_file)
    assert (code, err) == (0, "")
    assert "bridge" in out


@pytest.fixture
def pictures(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(2):
        Image.effect_noise((40 + 6 * number, 36), 90).convert("RGB").save(
            tmp_path / "in" / f"{number}.png"
        )
    return "in"


def read(folder):
    files = sorted(path for path in folder.rglob("*.png"))
    return {str(path.relative_to(folder)): np.asarray(Image.open(path)) for path in files}


def test_a_seed_is_a_sample(whole, pictures, imtrans, tmp_path):
    model = ("translate", pictures, "--checkpoint", whole[1], "--device", "cpu")
    code, _, err = imtrans(*model, "--output", "a", "--dropout-seed", 0, "--samples", 2)
    assert (code, err) == (0, "")
    found = read(tmp_path / "a")
    assert sorted(found) == [f"seed-{seed}/{n}.png" for seed in (0, 1) for n in (0, 1)]
    for number in (0, 1):
        one, other = (found[f"seed-{seed}/{number}.png"] for seed in (0, 1))
        assert one.shape == (36, 40 + 6 * number, 3)
        assert np.abs(one.astype(int) - other).mean() > 1
    options = ("--dropout-seed", 1, "--batch-size", 1, "--workers", 1)
    assert imtrans(*model, "--output", "b", *options)[0] == 0
    for name, again in read(tmp_path / "b").items():
        assert np.array_equal(again, found[f"seed-1/{name}"])


def test_every_checkpoint_translates_alike_each_time(whole):
    image = Image.new("RGB", (40, 36), (200, 30, 90))
    for path in sorted((whole[1] / "checkpoints").iterdir()):
        one, other = (package.load(path, device="cpu")(image) for _ in range(2))
        assert one.size == (40, 36)
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["method.nfe=0"], "method.nfe: 0 is not greater than or equal to 1"),
        (["method.gamma_max=0", "method.base_noise=0"], "gamma_max or base_noise must be > 0"),
        (["method.eta=1.5"], "method.eta: 1.5 is not less than or equal to 1"),
        (["method.start=target"], "method.start: 'target' is not"),
        (["generator.name=resnet_6"], "makes no use of it"),
    ],
    ids=str,
)
def test_a_mistake_in_the_recipe_is_one_line(tiny_file, imtrans, tmp_path, options, message):
    changes = [word for option in options for word in ("--set", option)]
    code, out, err = imtrans("train", tiny_file, "--run-dir", tmp_path / "run", *changes)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 2  # the file and its one problem, or a single line
    assert not (tmp_path / "run").exists()


@pytest.mark.imtrans_plugin(
    "imtrans-bridge",
    options={"bridge": {"size": "tiny", "start": "zeros", "eta": 0.5, "gamma_max": 0.0}},
)
def test_it_keeps_its_contract_with_other_options_too(contract):
    contract()
