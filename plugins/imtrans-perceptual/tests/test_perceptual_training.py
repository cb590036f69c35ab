"""The losses as imtrans trains with them: engines, continued runs, commands."""

import shutil
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip(
    "imtrans_perceptual", reason="not installed: pip install -e plugins/imtrans-perceptual"
)

import torch
from PIL import Image

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.recipe.catalog import catalog, collect
from imtrans.recipe.reading import read
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.step import Step
from imtrans.training.step.trial import tried_step

CPU = torch.device("cpu")
RECIPE = Path(__file__).parents[1] / "perceptual_facades.toml"


def task_of(file, *overrides):
    return Task(read(file, overrides, catalog()), catalog())


def batch():
    generator = torch.Generator().manual_seed(1)
    return Batch(*(torch.rand(2, 1, 3, 32, 32, generator=generator) * 2 - 1))


def tensors(folder):
    return {
        f"{path.stem}/{key}": tensor
        for path in sorted(folder.glob("*.safetensors"))
        for key, tensor in read_tensors(path).items()
    }


def test_the_loss_falls_in_training_and_its_weights_stay(tiny_file):
    task = task_of(tiny_file)
    method = task.method(CPU)
    network = method.losses[0].loss.trunk
    before = {name: x.clone() for name, x in network.state_dict().items()}
    step = Step(method, plain(CPU), task.recipe.train)
    values = [float(step(batch())["vgg16"]) for _ in range(12)]
    assert values[-1] < values[0]
    assert all(torch.equal(before[name], x) for name, x in network.state_dict().items())
    assert not any(x.requires_grad for x in network.parameters())
    assert not [name for name in method.state_dict() if "features" in name]


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-4), ("bf16", 3e-2)])
def test_the_fast_engine_takes_the_step_of_the_reference_engine(tiny_file, precision, apart):
    task, said = task_of(tiny_file), []
    expected = Step(task.method(CPU), plain(CPU), task.recipe.train)(batch())["vgg16"]
    engine = Engine("fast", CPU, precision)
    step = tried_step(task.method(CPU), engine, task.recipe.train, batch(), said.append)
    assert (step.engine, said) == (engine, [])  # gradients agree too
    found = step(batch())["vgg16"]
    torch.testing.assert_close(found, expected, rtol=apart, atol=0)
    assert found.dtype == torch.float32


@pytest.mark.thorough
def test_a_compiler_takes_the_loss_as_one_graph(weights):
    """Nothing in it waits for a value, so that a CUDA graph can hold it."""
    loss = catalog().losses["vgg16"].build(weights=str(weights))
    whole = torch.compile(loss, backend="eager", fullgraph=True)
    torch.testing.assert_close(whole(*batch()), loss(*batch()))


def test_a_continued_run_ends_with_the_tensors_of_an_uninterrupted_one(tiny_file, tmp_path):
    task = task_of(tiny_file)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    end = fit(task, whole).checkpoint.name
    shutil.copytree(whole, resumed)
    for path in sorted((resumed / "checkpoints").iterdir())[2:]:  # those of steps 0 and 2 stay
        shutil.rmtree(path)
    fit(task, resumed)
    one, other = (tensors(run / "checkpoints" / end) for run in (whole, resumed))
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    assert {key.partition("/")[0] for key in one} == {"discriminator", "generator", "training"}
    assert not [key for key in one if "features" in key]


def test_translating_needs_no_weights_of_a_loss_and_training_does(
    tiny_file, weights, tmp_path, imtrans
):
    here = tmp_path / "here.safetensors"
    shutil.copy(weights, here)
    setting = f"loss.vgg16.weights={here.as_posix()}"
    fit(task_of(tiny_file, setting, "train.epochs=1"), tmp_path / "run")
    here.unlink()
    image, output = tmp_path / "image.png", tmp_path / "output"
    Image.new("RGB", (50, 40), "red").save(image)
    code, _, err = imtrans("translate", image, "--checkpoint", tmp_path / "run", "--output", output)
    assert (code, err) == (0, "")
    with Image.open(output / "image.png") as written:
        assert written.size == (50, 40)
    code, out, err = imtrans("check", tiny_file, "--set", setting)
    assert code != 0
    assert f"'{here}' is no file; the weights of VGG16 are at https://" in out + err
    code, _, err = imtrans("train", tiny_file, "--set", setting, "--run-dir", tmp_path / "other")
    assert code == 2
    assert f"'{here}' is no file" in err
    assert not (tmp_path / "other").exists()


def test_what_the_loss_cannot_look_at_is_one_line_before_the_first_step(tiny_file, imtrans):
    code, out, err = imtrans("check", tiny_file, "--set", "data.target.classes=[[0,0,0],[9,9,9]]")
    assert code != 0
    assert "loss 'vgg16' looks at RGB or grey pictures; the targets have 2 channels" in out + err


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("loss.vgg19.layers=[]", "loss.1.layers"),
        ("loss.vgg19.distance=l3", "loss.1.distance: 'l3' is not one of 'l1', 'l2'"),
        ("loss.vgg19.sha256=abc", "loss.1.sha256"),
        ("loss.vgg19.layer=[]", "no key 'layer'; did you mean 'layers'"),
    ],
)
def test_a_wrong_option_in_a_recipe_is_refused_by_name(override, said):
    with pytest.raises(ImtransError) as refused:
        read(RECIPE, [override], catalog())
    assert said in str(refused.value)


@pytest.mark.thorough
def test_its_recipe_takes_a_step(weights):
    few = ["loss.vgg19.layers=['relu1_1','relu2_1']", "loss.vgg19.layer_weights=[0.5,1.0]"]
    small = ["generator.width=4", "discriminator.width=4", f"loss.vgg19.weights={weights}"]
    task = task_of(RECIPE, *few, *small)
    losses = Step(task.method(CPU), plain(CPU), task.recipe.train)(task.noise(CPU))
    assert float(losses["vgg19"]) > 0


def test_without_the_plugin_its_recipe_says_what_to_install():
    core = [point for point in entry_points(group="imtrans") if point.dist.name == "imtrans"]
    with pytest.raises(ImtransError, match="pip install imtrans-perceptual"):
        read(RECIPE, catalog=collect(core))
