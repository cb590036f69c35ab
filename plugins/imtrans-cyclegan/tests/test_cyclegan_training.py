"""The method as imtrans trains it: engines, accumulation, averages, continued runs, commands."""

import json
import re
import shutil
from dataclasses import replace

import pytest

pytest.importorskip(
    "imtrans_cyclegan", reason="not installed: pip install -e plugins/imtrans-cyclegan"
)

import torch
from PIL import Image

import imtrans as package
from imtrans.api.method import Batch
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import read
from imtrans.runs.header import read_header
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training import feeding
from imtrans.training import fit as fitting
from imtrans.training.fit import fit
from imtrans.training.step import graph
from imtrans.training.step.accumulation import accumulated_step
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.step import Step
from imtrans.training.step.trial import tried_step

CPU = torch.device("cpu")
FAST32, FAST16 = Engine("fast", CPU), Engine("fast", CPU, "bf16")


def task_of(file, *overrides):
    return Task(read(file, overrides, catalog()), catalog())


def step_of(file, engine=None, *overrides):
    task = task_of(file, *overrides)
    return Step(task.method(CPU), engine or plain(CPU), task.recipe.train)


def batch(count=1):
    generator = torch.Generator().manual_seed(1)
    return Batch(*(torch.rand(2, count, 3, 32, 32, generator=generator) * 2 - 1))


@pytest.mark.parametrize(("engine", "apart"), [(FAST32, 1e-4), (FAST16, 2e-2)], ids=str)
def test_the_fast_engine_takes_the_step_of_the_reference_engine(tiny_file, engine, apart):
    expected, found = step_of(tiny_file)(batch()), step_of(tiny_file, engine)(batch())
    for name, loss in found.items():
        torch.testing.assert_close(loss, expected[name], rtol=apart, atol=0)


# Of a cycle: two generators in a row, in which bf16 rounds more than in a single one.
@pytest.mark.parametrize("engine", [FAST32, FAST16], ids=str)
def test_the_gradients_of_the_fast_engine_agree_with_the_reference_engines(tiny_file, engine):
    task, said = task_of(tiny_file), []
    step = tried_step(task.method(CPU), engine, task.recipe.train, batch(), said.append)
    assert (step.engine, said) == (engine, [])
    for name, tensor in task.method(CPU).state_dict().items():  # the trial left no trace
        assert torch.equal(step.method.state_dict()[name], tensor), name


@pytest.mark.thorough
def test_parts_of_a_batch_make_the_step_of_the_whole(tiny_file):
    # Instance norm never looks across a batch, and a pool that is not full returns what it gets.
    one, other = (step_of(tiny_file, None, "method.pool_size=9") for _ in range(2))
    for _ in range(2):
        whole, parts = one(batch(4)), accumulated_step(other, batch(4), 2)
        for name, loss in whole.items():
            torch.testing.assert_close(parts[name], loss, rtol=1e-4, atol=1e-6)
    assert int(other.method.pool.count) == 8
    torch.testing.assert_close(
        other.method.pool.images, one.method.pool.images, rtol=1e-3, atol=1e-3
    )


def tensors(folder):
    return {
        f"{path.stem}/{key}": tensor
        for path in sorted(folder.glob("*.safetensors"))
        for key, tensor in read_tensors(path).items()
    }


@pytest.mark.parametrize(
    "overrides",
    [
        ["train.ema=0.9"],
        pytest.param(["train.ema=0.9", "train.engine=plain"], marks=pytest.mark.thorough),
        pytest.param(["train.accumulate=2"], marks=pytest.mark.thorough),
    ],
    ids=str,
)
def test_a_continued_run_ends_with_the_tensors_of_an_uninterrupted_one(
    tiny_file, tmp_path, overrides
):
    task = task_of(tiny_file, "train.checkpoint_every=2", *overrides)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    end = fit(task, whole).checkpoint.name
    shutil.copytree(whole, resumed)
    for path in sorted((resumed / "checkpoints").iterdir())[3:]:  # those of steps 0, 2 and 4 stay
        shutil.rmtree(path)
    fit(task, resumed)
    one, other = (tensors(run / "checkpoints" / end) for run in (whole, resumed))
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []
    counts = [key for key in one if key.endswith("pool.count")]
    assert counts == ["training/state/pool.count"]
    assert all(int(one[key]) == 3 for key in counts)  # full: images are exchanged, at random


@pytest.fixture
def run(tiny_file, tmp_path):
    fit(task_of(tiny_file, "train.ema=0.9"), tmp_path / "run")
    return tmp_path / "run"


def test_both_generators_are_averaged_and_saved(run):
    newest = sorted((run / "checkpoints").iterdir())[-1]
    header = read_header(newest / "generator_back.safetensors")
    assert header.translators == ["generator", "generator_back"]
    found = tensors(newest)
    for name in header.translators:
        averaged = [key for key in found if key.startswith(f"{name}/")]
        assert averaged
        learning = {key: found[f"training/learning/{key}"] for key in averaged}
        assert any(not torch.equal(found[key], learning[key]) for key in averaged)
    assert {path.stem for path in newest.glob("*.safetensors")} == {
        "generator",
        "generator_back",
        "discriminator",
        "discriminator_back",
        "training",
    }


def test_each_direction_has_the_scale_of_the_files_it_was_given(run):
    """Files of 45 x 40 px, brought to 32 x 32."""
    for name in ("generator", "generator_back"):
        (newest, *_) = sorted(run.glob(f"checkpoints/step_*/{name}.safetensors"), reverse=True)
        assert read_header(newest).scale.of(90, 40) == (64, 32)


@pytest.mark.thorough
def test_the_log_has_every_loss_and_the_samples_both_directions(run):
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text().splitlines()]
    names = {"g", "g_back", "cycle", "cycle_back", "identity", "identity_back", "d", "d_back"}
    assert all(names <= row.keys() for row in rows)
    with Image.open(sorted((run / "samples").glob("*.png"))[-1]) as grid:
        # Source and output, for two images of each direction.
        assert grid.width // 32 == 2
        assert grid.height // 32 == 4


def test_both_directions_translate(run, imtrans, tmp_path):
    images = tmp_path / "images"
    code, out, err = imtrans("inspect", run)
    assert (code, err) == (0, "")
    assert re.search("translators +generator, generator_back", out)
    written = {}
    for name, side in (("generator", "testA"), ("generator_back", "testB")):
        code, _, err = imtrans(
            *("translate", images / side, "--checkpoint", run),
            *("--output", tmp_path / name, "--translator", name),
        )
        assert (code, err) == (0, "")
        translator = package.load(run, translator=name)
        image, output = (Image.open(x / "0.png") for x in (images / side, tmp_path / name))
        with image, output:
            assert output.size == image.size == (45, 40)
            written[name] = output.tobytes()
            assert translator(image).tobytes() == written[name]
    assert written["generator"] != written["generator_back"]


def test_a_translator_that_is_not_there_is_refused_with_those_that_are(run, imtrans, tmp_path):
    code, _, err = imtrans(
        *("translate", tmp_path / "images" / "testA", "--checkpoint", run),
        *("--translator", "generator_forth"),
    )
    assert code == 2
    assert "no translator 'generator_forth'; there are 'generator', 'generator_back'" in err


def test_pairs_are_measured_in_validation_though_training_does_not_see_them(tmp_path, tiny_file):
    from drawn import write_pairs

    for split in ("train", "val"):
        write_pairs(tmp_path / "pairs" / split, 3)
    keys = [f"data.root={(tmp_path / 'pairs').as_posix()}", "data.layout=side_by_side"]
    task = task_of(tiny_file, *keys, "train.epochs=1")
    assert not task.sampler.paired
    fit(task, tmp_path / "run")
    rows = (tmp_path / "run" / "validation.jsonl").read_text().splitlines()
    assert all("l1" in json.loads(row) for row in rows)
    assert rows


def test_what_is_used_several_times_in_a_cycle_has_no_copies_and_halves_have(tiny_file):
    engine = replace(FAST16, shadowed=True, halved=True, counted=True, dense_gradients=True)
    task, said = task_of(tiny_file, "generator.norm=batch", "discriminator.norm=batch"), []
    step = tried_step(task.method(CPU), engine, task.recipe.train, batch(2), said.append)
    assert (step.engine, said) == (engine, [])
    step(batch(2))
    copied = {
        name.split(".")[0]
        for name, weight in step.method.named_parameters()
        if step._shadows.of(weight) is not None
    }
    assert copied == {"discriminator", "discriminator_back"}


@pytest.mark.thorough
def test_steps_that_a_graph_would_take_leave_the_bytes_of_those_taken_one_by_one(
    tiny_file, tmp_path, monkeypatch
):
    """With pools of images and unpaired draws: the work of a recording, called instead."""

    def called(work, device):
        for _ in range(4):
            work()
        return work

    monkeypatch.setattr(graph, "record", called)
    monkeypatch.setattr(feeding, "fits", lambda sampler, device: sampler.cache is not None)
    recipe = read(tiny_file, ["data.cache=true", "train.log_every=6"], catalog())
    for name, fields in (("one by one", {}), ("graphs", {"graphed": True, "launch": 2})):
        engine = replace(FAST32, resident=bool(fields), **fields)
        monkeypatch.setattr(fitting, "choose_engine", lambda *_, engine=engine: engine)
        fit(Task(recipe, catalog()), tmp_path / name)
    one, other = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in files}
        for name in ("one by one", "graphs")
        for files in [sorted((tmp_path / name).rglob("step_*/*.safetensors"))]
    )
    assert one == other
    assert len(one) >= 15
