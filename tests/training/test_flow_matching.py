"""A method that is no GAN, of a third party: nothing in imtrans knows more than its contract."""

import json
import shutil

import pytest
import torch
from PIL import Image
from third_party import with_plugin

import imtrans as package
from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import described, read
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.step import Step
from imtrans.training.step.trial import tried_step

CPU = torch.device("cpu")
RECIPE = """
[data]
root      = "{root}"
load_size = 36
crop_size = 32
workers   = 0

[method]
name  = "flow_matching"
steps = 3

[train]
epochs           = 2
learning_rate    = 1e-3
log_every        = 2
checkpoint_every = 2
keep_last        = 9
"""


@pytest.fixture(autouse=True)
def installed():
    with with_plugin("flow_matching"):
        yield


@pytest.fixture
def file(tmp_path, pairs):
    path = tmp_path / "flow.toml"
    path.write_text(RECIPE.format(root=pairs.as_posix()))
    return path


def task_of(file, *overrides):
    return Task(read(file, overrides, catalog()), catalog())


def tensors(folder):
    return {
        f"{path.stem}/{key}": tensor
        for path in sorted(folder.glob("*.safetensors"))
        for key, tensor in read_tensors(path).items()
    }


def test_its_recipe_has_no_network_and_no_loss_of_a_gan(file):
    assert described(read(file, catalog=catalog())) == "flow_matching"
    with pytest.raises(ImtransError, match="adversarial: the method 'flow_matching' makes no use"):
        read(file, ["adversarial=vanilla"], catalog())


@pytest.mark.parametrize("engine", [plain(CPU), Engine("fast", CPU)], ids=str)
def test_it_learns(file, engine):
    torch.manual_seed(0)
    task, said = task_of(file, "train.learning_rate=5e-3"), []
    source = torch.rand(4, 3, 32, 32) * 2 - 1
    batch = Batch(source, source * 0.5)
    step = tried_step(task.method(CPU), engine, task.recipe.train, batch, said.append)
    assert (step.engine, said) == (engine, [])
    losses = [float(step(batch)["velocity"]) for _ in range(80)]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


@pytest.mark.parametrize("overrides", [[], ["train.ema=0.9", "train.accumulate=2"]], ids=str)
def test_a_continued_run_ends_with_the_tensors_of_an_uninterrupted_one(file, tmp_path, overrides):
    task = task_of(file, *overrides)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    end = fit(task, whole).checkpoint.name
    shutil.copytree(whole, resumed)
    for path in sorted((resumed / "checkpoints").iterdir())[2:]:  # those of steps 0 and 2 stay
        shutil.rmtree(path)
    fit(task, resumed)
    one, other = (tensors(run / "checkpoints" / end) for run in (whole, resumed))
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


def test_it_trains_is_measured_and_translates_by_the_command_line(file, imtrans, tmp_path):
    code, out, err = imtrans("check", file)
    assert (code, err) == (0, "")
    assert "flow_matching" in out
    code, _, err = imtrans("train", file, "--run-dir", "run")
    assert (code, err) == (0, "")
    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert all("velocity" in json.loads(row) for row in rows)
    measured = (tmp_path / "run" / "validation.jsonl").read_text().splitlines()
    assert all("l1" in json.loads(row) for row in measured)
    image = Image.new("RGB", (61, 43), "teal")
    image.save(tmp_path / "teal.png")
    for output in ("one", "two"):
        code, _, err = imtrans(
            "translate", "teal.png", "--checkpoint", "run", "--output", tmp_path / output
        )
        assert (code, err) == (0, "")
    one, two = (Image.open(tmp_path / output / "teal.png") for output in ("one", "two"))
    assert one.size == (61, 43)
    assert one.tobytes() == two.tobytes()  # it draws, and is repeatable


def test_its_noise_is_that_of_a_seed(file, tmp_path):
    fit(task_of(file, "train.epochs=1"), tmp_path / "run")
    image = Image.new("RGB", (64, 64), "teal")
    seeds = (None, None, 1, 1, 2)
    translators = [package.load(tmp_path / "run", dropout_seed=seed) for seed in seeds]
    before = torch.get_rng_state()
    outputs = [translator(image).tobytes() for translator in translators]
    assert outputs[0] == outputs[1]
    assert outputs[2] == outputs[3]
    assert len(set(outputs)) == 3
    assert torch.equal(torch.get_rng_state(), before)


def test_the_steps_of_its_sampler_are_its_recipes(file, tmp_path):
    task = task_of(file, "method.steps=7")
    assert Step(task.method(CPU), plain(CPU), task.recipe.train).translating["generator"].nfe == 7
    assert task.translator("generator").nfe == 7
