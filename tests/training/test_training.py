"""The step, the schedule, the loop: what is written, what is refused, and how it goes on."""

import io
import json
import os
import shutil
import signal
import time

import pytest
import torch
from PIL import Image
from rich.console import Console
from steps import CPU, step_of

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.data.draws import Order
from imtrans.host.terminal import Terminal
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.records import Records
from imtrans.runs.run_dir import RunDir
from imtrans.runs.state import restore
from imtrans.runs.weights import read_tensors
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.training.meter import Meter
from imtrans.training.step.stepper import Stepper


def read(tiny_file, *overrides):
    return recipes.read(tiny_file, overrides, catalog())


def rows(run_dir):
    return [json.loads(row) for row in (run_dir / "metrics.jsonl").read_text().splitlines()]


def weights(run_dir):
    newest = checkpoints(run_dir)[-1]
    return {p.name: read_tensors(p) for p in sorted(newest.glob("*.safetensors"))}


def same(one, other):
    return all(
        torch.equal(tensor, other[file][key]) for file in one for key, tensor in one[file].items()
    )


@pytest.fixture
def step(tiny):
    return step_of(tiny)


def batch():
    torch.manual_seed(0)
    return Batch(*(torch.rand(2, 3, 64, 64) * 2 - 1 for _ in range(2)))


def changed(step, before):
    """The networks that have changed."""
    return {
        name.partition(".")[0]
        for name, parameter in step.method.named_parameters()
        if not torch.equal(before[name], parameter)
    }


def parameters(step):
    return {name: p.detach().clone() for name, p in step.method.named_parameters()}


def test_one_step_moves_both_networks_and_returns_losses_on_the_device(step):
    before = parameters(step)
    losses = step(batch())
    assert list(losses) == ["d", "g", "l1"]
    assert all(torch.is_tensor(v) and v.dim() == 0 and not v.requires_grad for v in losses.values())
    assert changed(step, before) == {"generator", "discriminator"}


@pytest.mark.parametrize("moving", ["generator", "discriminator"])
def test_the_descent_of_one_network_does_not_reach_the_other(step, moving):
    """With the update of all others suppressed, a step leaves them as they were."""
    step.scale_learning_rates(0)
    step.optimizers[moving].set_rate(1e-3)
    before = parameters(step)
    step(batch())
    assert changed(step, before) == {moving}
    assert all(p.requires_grad for p in step.method.parameters())


def test_the_weight_of_a_loss_scales_its_gradient_and_not_its_report(tiny_file):
    reports = []
    for weight in (0, 100):
        recipe = read(tiny_file, f"loss.l1.weight={weight}")
        step = step_of(recipe)
        first = step(batch())
        for _ in range(10):
            last = step(batch())
        reports.append((float(first["l1"]), float(last["l1"])))
    assert reports[0][0] == reports[1][0]
    assert reports[1][1] < 0.95 * reports[0][1]


def test_halving_the_discriminators_loss_does_not_change_adams_step(tiny):
    """Adam is indifferent to the scale of a loss, so /2 slows nothing by itself."""
    states = []
    for factor in (1.0, 2.0):
        step = step_of(tiny)
        loss = step.method.adversarial.discriminator_loss
        step.method.adversarial = Scaled(step.method.adversarial, loss, factor)
        step(batch())
        states.append(step.method.discriminator.state_dict())
    for key, tensor in states[0].items():
        torch.testing.assert_close(states[1][key], tensor, rtol=0, atol=1e-5)


class Scaled:
    def __init__(self, adversarial, loss, factor):
        self.generator_loss = adversarial.generator_loss
        self.discriminator_loss = lambda *logits: factor * loss(*logits)


def test_a_run_leaves_recipe_losses_samples_and_checkpoints(tiny, tmp_path):
    outcome = fit(Task(tiny, catalog()), tmp_path / "run")
    run = tmp_path / "run"
    assert outcome.step == 12
    assert recipes.read(run / "recipe.toml") == tiny
    assert [row["step"] for row in rows(run)] == [2, 4, 6, 8, 10, 12]
    assert [row["epoch"] for row in rows(run)] == [1, 1, 1, 2, 2, 2]
    assert set(rows(run)[0]) == {
        *("step", "epoch", "d", "g", "l1"),
        *("learning_rate", "images_per_second", "waiting"),
    }
    samples = sorted((run / "samples").iterdir())
    assert [int(path.stem[5:]) for path in samples] == [0, 3, 6, 9, 12]
    with Image.open(samples[0]) as grid:
        assert grid.size == (3 * 64 + 2 * 4, 3 * 64 + 2 * 4)
    assert [path.name for path in checkpoints(run)] == ["step_00000008", "step_00000012"]
    assert sorted(path.name for path in outcome.checkpoint.iterdir()) == [
        *("SHA256SUMS", "discriminator.safetensors", "generator.safetensors"),
        "training.safetensors",
    ]


def test_the_same_recipe_trains_the_same_weights(tiny, finished_run, tmp_path):
    fit(Task(tiny, catalog()), tmp_path / "again")
    assert same(weights(finished_run(tmp_path / "run")), weights(tmp_path / "again"))


@pytest.fixture(scope="module")
def decayed(trained_once, tmp_path_factory):
    """The weights of a run that nothing interrupted and whose learning rate decays."""
    run = tmp_path_factory.mktemp("decayed") / "run"
    fit(Task(read(trained_once / "tiny.toml", "train.decay_from=1"), catalog()), run)
    return weights(run)


@pytest.mark.parametrize("stop_at", [pytest.param(1, marks=pytest.mark.soak), 6, 8])
def test_an_interrupted_run_ends_with_the_bytes_of_an_uninterrupted_one(
    tiny_file, decayed, tmp_path, monkeypatch, stop_at
):
    recipe = read(tiny_file, "train.decay_from=1")
    step = Stepper.__call__
    steps = iter(range(1, 100))

    def interrupting(self, *data):
        if next(steps) == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *data)

    monkeypatch.setattr(Stepper, "__call__", interrupting)
    stopped = fit(Task(recipe, catalog()), tmp_path / "parts")
    assert (stopped.interrupted_by, stopped.step) == (signal.SIGTERM, stop_at)
    outcome = fit(Task(recipe, catalog()), tmp_path / "parts")
    assert (outcome.interrupted_by, outcome.step) == (None, 12)
    assert same(decayed, weights(tmp_path / "parts"))
    steps_logged = [row["step"] for row in rows(tmp_path / "parts")]
    assert steps_logged == sorted(set(steps_logged))


def test_a_finished_run_is_not_trained_again_but_may_be_prolonged(
    tiny_file, finished_run, tmp_path
):
    run = finished_run(tmp_path / "run")
    before = weights(run)
    assert fit(Task(read(tiny_file), catalog()), run).step == 12
    assert same(before, weights(run))
    longer = fit(Task(read(tiny_file, "train.epochs=3"), catalog()), run)
    assert longer.step == 18
    assert [row["step"] for row in rows(run)] == list(range(2, 19, 2))


def test_another_recipe_is_refused_with_its_difference(tiny_file, finished_run, tmp_path):
    run = finished_run(tmp_path / "run")
    with pytest.raises(ImtransError) as caught:
        fit(Task(read(tiny_file, "train.learning_rate=1e-3"), catalog()), run)
    message = str(caught.value)
    assert "-learning_rate = 0.0002" in message
    assert "+learning_rate = 0.001" in message
    assert "--fresh" in message
    harmless = ("train.log_every=5", "title='better'", "validate.pairs=1", 'logger=["csv"]')
    assert fit(Task(read(tiny_file, *harmless), catalog()), run).step == 12


def test_fresh_moves_the_old_run_aside(tiny_file, finished_run, tmp_path):
    run = finished_run(tmp_path / "run")
    for seed in (1, 2):
        recipe = read(tiny_file, f"seed={seed}", "train.epochs=1")
        fit(Task(recipe, catalog()), run, fresh=True)
    kept = sorted(path.name for path in tmp_path.glob("run*"))
    assert kept == ["run", "run.old-1", "run.old-2"]
    assert len(checkpoints(tmp_path / "run.old-1")) == 2


def test_a_folder_that_holds_other_things_is_not_used(tiny, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("precious")
    with pytest.raises(ImtransError, match="holds other files, but no run"):
        fit(Task(tiny, catalog()), tmp_path / "run")


def test_a_broken_image_in_the_middle_costs_nothing_that_was_learned(
    tiny, pairs, finished_run, tmp_path
):
    run = tmp_path / "run"
    broken = pairs / "train" / "003.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    with pytest.raises(ImtransError, match="003.png: "):
        fit(Task(tiny, catalog()), run)
    saved = checkpoints(run)
    broken.write_bytes(whole)
    assert fit(Task(tiny, catalog()), run).step == 12
    assert same(weights(finished_run(tmp_path / "whole")), weights(run))
    assert len(saved) <= 2  # of step 0, and of what was learned before


@pytest.mark.parametrize("often", [True, False])
def test_a_loss_that_is_not_finite_stops_and_is_not_kept(often, tiny_file, tmp_path, monkeypatch):
    seldom = ["train.epochs=4", "train.log_every=50", "train.checkpoint_every=99"]
    tiny = recipes.read(tiny_file, () if often else seldom, catalog())
    step, count = Stepper.__call__, iter(range(1, 100))

    def exploding(self, *data):
        losses = step(self, *data)
        return losses | {"g": losses["g"] * (float("nan") if next(count) >= 7 else 1)}

    monkeypatch.setattr(Stepper, "__call__", exploding)
    first = Order(tiny.seed, 6, 6).together(2, 0)[0][1]
    said = f"the loss 'g' became nan in step 7, on the pairs {first:03d}. checkpoints before"
    with pytest.raises(ImtransError, match=said):
        fit(Task(tiny, catalog()), tmp_path / "run")
    kept = [path.name for path in checkpoints(tmp_path / "run")]
    assert kept == ["step_00000000", "step_00000004"][: 2 if often else 1]


def test_in_data_of_another_size_the_epoch_starts_again(tiny, pairs, tmp_path, monkeypatch, capsys):
    step = Stepper.__call__

    def interrupting(self, *data):
        os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *data)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "__call__", interrupting)
        fit(Task(tiny, catalog()), tmp_path / "run")
    (pairs / "train" / "000.png").unlink()
    assert fit(Task(tiny, catalog()), tmp_path / "run").step == 1 + 2 * 5
    assert "an epoch had 6 batches, now it has 5; epoch 1 starts again" in capsys.readouterr().out


def test_parts_of_different_checkpoints_do_not_make_one(tiny, finished_run, tmp_path):
    older, newer = checkpoints(finished_run(tmp_path / "run"))
    for checksums in (True, False):  # early checkpoints have none
        shutil.copy(older / "generator.safetensors", newer / "generator.safetensors")
        if not checksums:
            (newer / "SHA256SUMS").unlink()
        said = "changed since it was written" if checksums else "its files are of different steps"
        with pytest.raises(ImtransError, match=said):
            restore(newer, step_of(tiny))


def test_a_full_disk_under_the_log_still_saves_what_was_learned(tiny, tmp_path, monkeypatch):
    append, count = Records.append, iter(range(1, 100))

    def full(self, record):
        if self.path.name == "metrics.jsonl" and next(count) == 3:
            raise OSError(28, "No space left on device", str(self.path))
        append(self, record)

    monkeypatch.setattr(Records, "append", full)
    with pytest.raises(ImtransError, match="metrics.jsonl: cannot write there: no space left"):
        fit(Task(tiny, catalog()), tmp_path / "run")
    assert checkpoints(tmp_path / "run")[-1].name == "step_00000006"


def test_a_reader_that_is_gone_ends_no_training(tiny, tmp_path):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    shown = Terminal(file=Closed())
    assert fit(Task(tiny, catalog()), tmp_path / "run", console=shown).step == 12


def test_a_run_that_has_learned_nothing_takes_another_recipe(tiny, tiny_file, tmp_path):
    run = tmp_path / "run"
    RunDir(run, tiny).begin()
    assert fit(Task(read(tiny_file, "seed=1"), catalog()), run).step == 12


def test_a_batch_larger_than_the_data_is_one_batch(tiny_file, tmp_path):
    recipe = read(tiny_file, "train.batch_size=32")
    assert fit(Task(recipe, catalog()), tmp_path / "run").step == 2


@pytest.mark.parametrize("terminal", [True, False])
def test_both_displays_show_what_matters(tiny, tmp_path, terminal):
    with (tmp_path / "out").open("w+") as file:
        console = Console(file=file, force_terminal=terminal, width=160)
        fit(Task(tiny, catalog()), tmp_path / "run", console=console)
        file.seek(0)
        text = file.read()
    for part in ("2/2", "12/12", "images/s", "data wait", "d 0.", "g 0.", "l1 0."):
        assert part in text, part


def test_the_meter_reads_means_and_starts_anew():
    meter = Meter()
    for value in (1.0, 3.0):
        meter.count({"l1": torch.tensor(value)}, images=4)
    with meter.waiting():
        time.sleep(0.01)
    reading = meter.read(2e-4)
    assert (reading.losses, reading.learning_rate) == ({"l1": 2.0}, 2e-4)
    assert reading.images_per_second == pytest.approx(4 * reading.steps_per_second)
    assert 0 < reading.waiting <= 1
    assert meter.steps == 0


# To the group: each signal reaches the loading process too, which must not answer it.
@pytest.mark.parametrize(
    ("to", "sent", "code"),
    [
        ("group", signal.SIGINT, 130),
        ("group", signal.SIGTERM, 0),
        ("group", signal.SIGHUP, 0),
        ("itself", signal.SIGTERM, 0),
    ],
)
def test_ctrl_c_and_sigterm_finish_the_step_save_and_say_how_to_continue(
    stage, tmp_path, to, sent, code
):
    start = stage.start("plain, 2 workers, ema", tmp_path, "train.epochs=2000")
    once = str(start.run / "metrics.jsonl")
    end = stage.runner.run(start, sent=sent, to=to, once=once)
    out = end.out + end.err
    assert end.code == code, out
    assert "Traceback" not in out
    (newest,) = checkpoints(tmp_path / "run")[-1:]
    name = "Ctrl-C" if sent == signal.SIGINT else sent.name
    assert f"{name}: saving, one moment" in out
    assert f"saved as {newest}" in out
    assert "the same command continues" in out


def test_a_component_that_breaks_its_contract_is_named_before_training(tiny_file):
    for override, said in (
        ("data.crop_size=66", "needs sizes that are multiples of 4; crop_size is 66. use 64 or 68"),
        ("discriminator.name=patch_286", "discriminator 'patch_286' needs images of at least 96"),
    ):
        with pytest.raises(ImtransError, match=said):
            Task(read(tiny_file, override), catalog()).method(CPU)


def test_what_headers_say_is_reported_before_the_first_step(imtrans, tiny_file, pairs, tmp_path):
    for number in range(2, 6):
        Image.new("I;16", (160, 64)).save(pairs / "train" / f"00{number}.png")
    code, _, err = imtrans("train", tiny_file, "--run-dir", "run")
    assert code == 2
    assert "train/002.png: 16-bit grey; the recipe says dtype = 'uint8'" in err
    assert "`imtrans data check` lists all" in err
    assert not (tmp_path / "run").exists()


def test_everything_is_written_once_before_the_first_step(tiny, tmp_path, monkeypatch):
    def never(self, *data):
        raise KeyboardInterrupt

    monkeypatch.setattr(Stepper, "__call__", never)
    with pytest.raises(KeyboardInterrupt):
        fit(Task(tiny, catalog()), tmp_path / "run")
    run = tmp_path / "run"
    assert (run / "samples" / "step_00000000.png").is_file()
    assert [path.name for path in checkpoints(run)] == ["step_00000000"]
    (row,) = (run / "validation.jsonl").read_text().splitlines()
    assert set(json.loads(row)) == {"step", "epoch", "l1", "psnr", "ssim"}
