"""What `train --dry-run` foretells, and that it leaves no trace."""

import io

import pytest
import torch
from imtrans.checking.memory import _keeping, estimate_memory
from rich.console import Console

from imtrans.checking import plan as estimates
from imtrans.checking.plan import estimate
from imtrans.cli.plan import told
from imtrans.components.methods.pix2pix import Pix2Pix
from imtrans.data.cache.store import entries
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.run_dir import alone_in
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.step.engine import Engine, choose_engine, plain

CPU = torch.device("cpu")


def read(tiny_file, *overrides):
    return recipes.read(tiny_file, overrides, catalog())


def foretold(recipe, run, **options):
    options = {"device": "cpu", "fresh": False, "say": lambda line: None} | options
    return estimate(recipe, catalog(), run, **options)


def trained(recipe, run):
    return fit(Task(recipe, catalog()), run, console=Console(file=io.StringIO()))


def state_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in (folder, *folder.rglob("*"))
    }


def test_it_tells_all_and_writes_nothing(imtrans, tiny_file, tmp_path):
    before = state_of(tmp_path)
    code, out, err = imtrans("train", tiny_file, "--dry-run", "--set", "train.epochs=4")
    assert (code, err) == (0, "")
    assert state_of(tmp_path) == before
    for part in (
        *('title = "tiny"', "epochs = 4", "learning_rate = 0.0002"),
        *("6 to train on, 3 held out", "resnet_6, 32,", "patch_16, ", "cpu, fast, fp32"),
        *("runs/tiny: new\n", "6 an epoch, 24 in all\n", "checkpoints of ", "s a step on noise"),
        *("estimated ", "weights ", "gradients ", "Adam ", "activations "),
        "would be built: about 1",
        "nothing was written",
    ):
        assert part in out, part


@pytest.mark.parametrize(
    "overrides",
    [
        ("data.cache=true",),
        ("train.ema=0.99", "train.accumulate=2", "train.batch_size=2"),
        ("train.engine=plain", "train.deterministic=true", "generator.norm=batch"),
        ("train.compile=true", "data.cache=false"),
    ],
)
def test_nothing_is_written_whatever_the_recipe(imtrans, tiny_file, tmp_path, overrides):
    before = state_of(tmp_path)
    options = [part for key in overrides for part in ("--set", key)]
    for more in ([], ["--fresh"], ["--run-dir", "deep/below/run"]):
        code, _, err = imtrans("train", tiny_file, "--dry-run", *options, *more)
        assert (code, err) == (0, "")
    assert state_of(tmp_path) == before


def test_what_is_foretold_comes_true(tiny_file, tmp_path):
    recipe = read(tiny_file, "data.cache=true", "train.ema=0.9")
    found = foretold(recipe, tmp_path / "run")
    assert trained(recipe, tmp_path / "run").step == found.steps == found.left == 12
    (cache,) = entries()
    assert f"about {cache.about.bytes / 1e3:.0f} kB" in found.cache
    assert foretold(recipe, tmp_path / "run").cache.startswith("there already")
    (one, *_) = checkpoints(tmp_path / "run")
    real = sum(file.stat().st_size for file in one.iterdir())
    # Headers, with the recipe and the names of tensors, and the random state come on top.
    assert found.disk.checkpoint < real < found.disk.checkpoint + 100_000
    assert found.disk.count == 3


@pytest.mark.parametrize("fresh", [False, True])
def test_a_run_that_is_there_would_be_continued_or_moved_aside(tiny_file, tmp_path, fresh):
    trained(read(tiny_file), tmp_path / "run")
    before = state_of(tmp_path)
    found = foretold(read(tiny_file, "train.epochs=3"), tmp_path / "run", fresh=fresh)
    assert (found.left, found.steps) == ((18, 18) if fresh else (6, 18))
    assert ("would be moved aside" if fresh else "would continue after step 12") in found.run
    assert state_of(tmp_path) == before


def test_a_run_in_use_is_told_and_left_alone(imtrans, tiny_file, tmp_path):
    with alone_in(tmp_path / "runs" / "tiny"):
        code, out, _ = imtrans("train", tiny_file, "--dry-run")
    assert code == 0
    assert "runs/tiny: new. another process trains there now" in out


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("data.root=nowhere", "nowhere: no such folder"),
        ("data.crop_size=50", "crop_size is 50"),
        ("train.init_from=nowhere", "nowhere: no such checkpoint"),
        ("generator.nmae=x", "did you mean 'name'"),
    ],
)
def test_what_training_refuses_is_refused(imtrans, tiny_file, tmp_path, override, told):
    code, _, err = imtrans("train", tiny_file, "--dry-run", "--set", override)
    assert (code, told in err, "Traceback" in err) == (2, True, False)


def test_another_recipe_in_the_run_is_refused(imtrans, tiny_file, tmp_path):
    trained(read(tiny_file), tmp_path / "runs" / "tiny")
    code, _, err = imtrans("train", tiny_file, "--dry-run", "--set", "seed=1")
    assert (code, "another recipe was trained there" in err) == (2, True)


def model(recipe, engine=None):
    parts = Task(recipe, catalog()).method(CPU)
    return Pix2Pix(parts, recipe.train, engine or plain(CPU))


def test_weights_gradients_and_moments_are_those_of_the_networks(tiny_file):
    recipe = read(tiny_file, "train.ema=0.9")
    subject = model(recipe)
    found = estimate_memory(subject, recipe, (3, 3))
    subject.step(*(torch.zeros(1, 3, 64, 64) for _ in range(2)))
    networks = (subject.generator, subject.discriminator)
    tensors = [t for net in networks for t in net.state_dict().values()]
    assert found.weights == sum(t.numel() * t.element_size() for t in tensors)
    gradients = [p.grad for net in networks for p in net.parameters() if p.grad is not None]
    assert found.gradients == sum(g.numel() * 4 for g in gradients)
    moments = [m for m in subject.optimizer_state().values() if m.dim()]
    assert found.moments == sum(m.numel() * 4 for m in moments)
    assert found.average == sum(
        t.numel() * t.element_size() for t in networks[0].state_dict().values()
    )
    assert found.total == sum(
        (found.weights, found.gradients, found.moments, found.average, found.activations)
    )


def test_activations_grow_with_batch_and_size_and_not_with_accumulation(tiny_file):
    def kept(*overrides):
        recipe = read(tiny_file, *overrides)
        return estimate_memory(model(recipe), recipe, (3, 3)).activations

    one, four = kept(), kept("train.batch_size=4")
    assert one > 64 * 64 * 3 * 4
    assert 3 * one < four <= 4 * one
    assert 3.5 * one < kept("data.crop_size=128", "data.load_size=128") < 4.5 * one
    fakes = 4 * 3 * 64 * 64 * 4
    assert kept("train.accumulate=4") == one + fakes


def test_weights_cast_to_bf16_are_kept_once_whatever_the_batch(tiny_file):
    engine = Engine("fast", CPU, "bf16")
    found = []
    for size in (1, 2, 3):
        recipe = read(tiny_file, f"train.batch_size={size}")
        found.append(estimate_memory(model(recipe, engine), recipe, (3, 3)).activations)
    assert found[2] - found[1] == found[1] - found[0] < found[0] - 2 * 30_000


def test_what_is_kept_for_the_backward_pass_is_counted_once():
    values, weight = torch.ones(10, requires_grad=True), torch.ones(10, requires_grad=True)
    with _keeping({weight.untyped_storage().data_ptr()}) as found:
        exponential = values.exp()  # keeps itself
        square = exponential * exponential  # keeps the same again
        (square * weight).sum()  # keeps the square, and a weight, which is counted elsewhere
    assert sorted(found.values()) == [40, 40]


def test_estimating_leaves_the_model_as_it_was(tiny_file):
    recipe = read(tiny_file, "generator.norm=batch")
    subject = model(recipe)
    before = {n: v.clone() for n, v in subject.generator.state_dict().items()}
    random = torch.get_rng_state()
    estimate_memory(subject, recipe, (3, 3))
    assert torch.equal(torch.get_rng_state(), random)
    for name, value in subject.generator.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in subject.generator.parameters())
    assert all(p.requires_grad for p in subject.discriminator.parameters())


def test_what_would_not_fit_is_told_and_no_step_is_tried(tiny_file, tmp_path, monkeypatch):
    monkeypatch.setattr(estimates, "_free", lambda device: 1000)
    monkeypatch.setattr(estimates, "tried_model", None)
    found = foretold(read(tiny_file), tmp_path / "run")
    text = "\n".join(told(found))
    assert not found.fits
    assert "1 kB are free. too little: use a smaller train.batch_size" in text
    assert "not measured, since it would not fit" in text


def test_what_may_not_fit_is_told(tiny_file, tmp_path, monkeypatch):
    total = foretold(read(tiny_file), tmp_path / "run").memory.total
    monkeypatch.setattr(estimates, "_free", lambda device: total + 1)
    found = foretold(read(tiny_file), tmp_path / "run")
    assert found.seconds is not None
    assert "it may not be enough" in "\n".join(told(found))


def test_a_compiled_engine_is_named_but_not_compiled(tiny_file, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", None)
    recipe = read(tiny_file, "train.compile=true")
    assert choose_engine(recipe.train, CPU).compiled
    text = "\n".join(told(foretold(recipe, tmp_path / "run")))
    assert "fp32, compiled" in text
    assert "not compiled as training will be" in text


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.cache=false", "none, since data.cache = false"),
        ("train.epochs=2", "none: it pays from 3 epochs on"),
        ("data.cache_limit=0.00001", "none: "),
    ],
)
def test_why_there_will_be_no_cache(tiny_file, tmp_path, override, said):
    recipe = read(tiny_file, "train.epochs=4", override)
    assert foretold(recipe, tmp_path / "run").cache.startswith(said)


def test_real_pairs_are_foretold(imtrans, real_data):
    small = ["generator.name=resnet_6", "generator.width=4", "discriminator.width=4"]
    small += [f"data.root={real_data / 'facades'}", "data.load_size=72", "data.crop_size=64"]
    overrides = [part for key in small for part in ("--set", key)]
    code, out, err = imtrans("train", "facades", "--dry-run", *overrides)
    assert (code, err) == (0, "")
    assert "400 to train on, 100 held out" in out
    assert "400 an epoch, 80000 in all" in out
