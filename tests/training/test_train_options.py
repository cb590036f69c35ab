"""What a recipe may ask of training beyond the paper: each against its definition."""

import json

import pytest
import torch
from steps import CPU, step_of
from torch import nn

import imtrans as public
from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.accumulation import accumulated_step
from imtrans.training.step.engine import Engine, plain
from imtrans.training.step.stepper import Stepper


def read(file, *overrides):
    return recipes.read(file, overrides, catalog())


def batch(number=4, size=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    source = torch.rand(number, 3, size, size, generator=generator) * 2 - 1
    return Batch(source, source * 0.5)


INSTANCE = ("generator.norm=instance", "discriminator.norm=instance", "generator.dropout=0.0")


@pytest.mark.parametrize("engine", [plain(CPU), Engine("fast", CPU)], ids=str)
@pytest.mark.parametrize("size", [1, 3])
def test_accumulated_parts_make_the_step_of_the_whole_batch(tiny_file, engine, size):
    recipe = read(tiny_file, *INSTANCE)
    whole, parts = step_of(recipe, engine), step_of(recipe, engine)
    # Adam's first step has the size of the rate whatever the gradient's: mere rounding decides
    # where a bias goes that an instance norm cancels. Plain descent keeps small what is small.
    # Later steps would show how training amplifies rounding, and nothing else.
    for adam in (*whole.optimizers.values(), *parts.optimizers.values()):
        adam.adam = torch.optim.SGD(adam._updated, lr=1e-3)
    expected, found = whole(batch()), accumulated_step(parts, batch(), size)
    for name, loss in expected.items():
        torch.testing.assert_close(found[name], loss, rtol=1e-5, atol=1e-5)
    for name, tensor in whole.method.state_dict().items():
        torch.testing.assert_close(parts.method.state_dict()[name], tensor, rtol=0, atol=1e-5)


def test_accumulation_makes_each_fake_twice_with_the_same_dropout(tiny_file):
    recipe = read(tiny_file, "generator.name=unet_128", "data.crop_size=128", "data.load_size=130")
    step, fakes = step_of(recipe), []
    step.method.register_forward_hook(lambda method, inputs, made: fakes.append(made))
    accumulated_step(step, batch(2, 128), 1)
    first, second, again, again_second = fakes
    assert torch.equal(first, again)
    assert torch.equal(second, again_second)
    assert any(isinstance(m, nn.Dropout) and m.training for m in step.method.modules())
    assert not torch.equal(step.make(batch(1, 128)), step.make(batch(1, 128)))


def test_accumulation_moves_running_statistics_once(tiny_file):
    recipe = read(tiny_file, "generator.dropout=0.0")
    whole, parts = step_of(recipe), step_of(recipe)
    whole(batch(1))
    accumulated_step(parts, batch(1), 1)
    found, expected = parts.method.state_dict(), whole.method.state_dict()
    assert {int(v) for k, v in found.items() if "num_batches" in k} == {1, 3}
    for name in expected:
        if "num_batches" in name:
            # The generator's once; the discriminator's in each of its three passes.
            assert found[name] == expected[name] == (1 if name.startswith("generator") else 3)
        if "running" in name:
            torch.testing.assert_close(found[name], expected[name])


def test_a_run_accumulates_batches_into_steps(tiny_file, tmp_path):
    recipe = read(tiny_file, "train.accumulate=2", "train.batch_size=2")
    assert fit(Task(recipe, catalog()), tmp_path / "run").step == 2 * 2  # 6 pairs: 4 and 2


def test_the_average_follows_as_computed_by_hand(tiny_file):
    recipe = read(tiny_file, "train.ema=0.9")
    step = step_of(recipe)
    stepper, generator = Stepper(step, print), step.method.generator
    by_hand = None
    for number in range(5):
        stepper(batch(2, seed=number))
        now = {k: v.detach().clone() for k, v in generator.named_parameters()}
        by_hand = by_hand and {k: 0.9 * by_hand[k] + 0.1 * v for k, v in now.items()}
        by_hand = by_hand or now  # the first is a copy
    average = step.translating["generator"]
    assert average is not generator
    for name, tensor in average.named_parameters():
        torch.testing.assert_close(tensor, by_hand[name], rtol=1e-6, atol=1e-7)
    for name, tensor in generator.named_buffers():
        assert torch.equal(dict(average.named_buffers())[name], tensor)
    assert len(by_hand) == len(dict(average.named_parameters()))


def test_the_average_translates_and_the_run_goes_on_with_the_weights_behind_it(tiny_file, tmp_path):
    whole = read(tiny_file, "train.ema=0.9")
    fit(Task(whole, catalog()), tmp_path / "whole")
    fit(Task(read(tiny_file, "train.ema=0.9", "train.epochs=1"), catalog()), tmp_path / "parts")
    fit(Task(whole, catalog()), tmp_path / "parts")
    runs = [checkpoints(tmp_path / name)[-1] for name in ("whole", "parts")]
    for part in ("generator", "discriminator", "training"):
        one, other = (read_tensors(run / f"{part}.safetensors") for run in runs)
        assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())
    kept = read_tensors(runs[0] / "generator.safetensors")
    learning = read_tensors(runs[0] / "training.safetensors")
    name = next(key for key in kept if key.endswith("weight"))
    assert not torch.equal(kept[name], learning[f"learning/generator/{name}"])
    translator = public.load(runs[0], precision="fp32")
    assert torch.equal(translator.module.state_dict()[name], kept[name])


@pytest.mark.parametrize("engine", [plain(CPU), Engine("fast", CPU)], ids=str)
def test_clipping_bounds_the_norm_of_a_networks_gradient(tiny_file, engine):
    free, clipped = (
        step_of(read(tiny_file, *overrides), engine) for overrides in ([], ["train.clip_norm=0.5"])
    )
    for step in (free, clipped):
        step(batch(2))
    norms = [
        torch.stack([p.grad.norm() for p in adam.parameters if p.grad is not None]).norm()
        for adam in (step.optimizers["generator"] for step in (free, clipped))
    ]
    assert norms[0] > 1
    assert norms[1] == pytest.approx(0.5, rel=1e-3)


def test_the_discriminator_may_have_a_rate_of_its_own(tiny_file):
    step = step_of(read(tiny_file, "method={name='pix2pix', discriminator_rate=0.05}"))
    step.scale_learning_rates(0.5)
    rates = {name: a.adam.param_groups[0]["lr"] for name, a in step.optimizers.items()}
    assert rates == {"generator": pytest.approx(1e-4), "discriminator": pytest.approx(5e-6)}
    assert step.learning_rate == pytest.approx(1e-4)  # the log has the generator's


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_discriminator_may_take_more_steps(tiny_file, accumulate):
    keys = ("method={name='pix2pix', discriminator_steps=3}", f"train.accumulate={accumulate}")
    step = step_of(read(tiny_file, *keys))
    Stepper(step, print)(batch(2))
    steps = {
        name: {float(v) for k, v in adam.state().items() if k.endswith("/step")}
        for name, adam in step.optimizers.items()
    }
    assert steps == {"generator": {1.0}, "discriminator": {3.0}}


def test_a_run_may_start_from_another_runs_weights(tiny_file, finished_run, tmp_path, capsys):
    first = finished_run(tmp_path / "first")
    source = read_tensors(checkpoints(first)[-1] / "generator.safetensors")
    start = f"train.init_from={first}"
    keep = ("train.epochs=1", "train.keep_last=9")
    fit(Task(read(tiny_file, start, *keep), catalog()), tmp_path / "second")
    begun = read_tensors(tmp_path / "second/checkpoints/step_00000000/generator.safetensors")
    assert all(torch.equal(tensor, begun[name]) for name, tensor in source.items())
    assert "starting from" in capsys.readouterr().out


def test_layers_that_do_not_fit_are_named_and_drawn(tiny_file, finished_run, tmp_path, capsys):
    first = finished_run(tmp_path / "first")
    # One channel out: the last layer alone is of another shape.
    other = read(
        tiny_file,
        *(f"train.init_from={first}", "train.epochs=1", "data.target.channels=1"),
    )
    fit(Task(other, catalog()), tmp_path / "second")
    out = capsys.readouterr().out
    assert "no fitting 'model" in out or "no fitting '" in out
    assert "drawn at random instead" in out


@pytest.mark.parametrize(
    ("path", "said"),
    [("nowhere", "nowhere: no such checkpoint"), ("first", "none of its tensors fits")],
)
def test_a_start_that_cannot_be_is_refused(
    tiny_file, finished_run, tmp_path, monkeypatch, path, said
):
    monkeypatch.chdir(tmp_path)
    finished_run(tmp_path / "first")  # of a resnet
    unet = ("generator.name=unet_128", "data.crop_size=128", "data.load_size=130")
    with pytest.raises(ImtransError, match=said):
        fit(Task(read(tiny_file, f"train.init_from={path}", *unet), catalog()), tmp_path / "run")


def test_deterministic_algorithms_are_asked_for_and_left_again(tiny_file, tmp_path, monkeypatch):
    asked = []
    step = Stepper.__call__

    def noting(self, batch):
        asked.append(torch.are_deterministic_algorithms_enabled())
        return step(self, batch)

    monkeypatch.setattr(Stepper, "__call__", noting)
    recipe = read(tiny_file, "train.deterministic=true", "train.epochs=1")
    fit(Task(recipe, catalog()), tmp_path / "run")
    assert set(asked) == {True}
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_that_is_not_deterministic_is_named(tiny_file, tmp_path, monkeypatch):
    def cannot(self, batch):
        raise RuntimeError("op_backward does not have a deterministic implementation, but\nmore")

    monkeypatch.setattr(Pix2Pix, "forward", cannot)
    with pytest.raises(ImtransError, match="train.deterministic = true, but op_backward does not"):
        fit(Task(read(tiny_file, "train.deterministic=true"), catalog()), tmp_path / "run")


def test_every_schedule_goes_on_where_it_stopped(tiny_file, tmp_path):
    keys = ("train.schedule=cosine", "train.warm_up=3", "train.log_every=1")
    fit(Task(read(tiny_file, *keys), catalog()), tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    rates = [json.loads(line)["learning_rate"] for line in lines]
    assert rates == pytest.approx(
        [2e-4 * share * 0.75 for share in (1 / 3, 2 / 3, 1, 1, 1, 1)] + [2e-4 * 0.25] * 6
    )
