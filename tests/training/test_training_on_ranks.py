"""Whole trainings on several ranks: what is printed, saved and continued."""

import json
import os
import shutil
import signal
import sys
import time

import pytest
import torch
from cells import UNPAIRED, write_unpaired
from drawn import write_pairs
from forked_ranks import Ranks, commands
from plugged import with_plugin
from safetensors.torch import load_file
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.data.draws import Order
from imtrans.host.devices import choose_device
from imtrans.host.ranks import Rank
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.header import read_header
from imtrans.task import Task
from imtrans.training.fit import fit, unused_gpus

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

# Each rank draws for itself: exact only where each goes on with its own draws.
DROPPING = ("generator.dropout=0.5", "train.ema=0.9")


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def last_of(run):
    """The bytes of all tensors in the last checkpoint."""
    last = sorted((run / "checkpoints").glob("step_*"))[-1]
    return {
        f"{file.name}/{name}": (value.dtype, value.numpy().tobytes())
        for file in sorted(last.glob("*.safetensors"))
        for name, value in load_file(file).items()
    }


@pytest.fixture
def train(tmp_path, tiny_file):
    """`imtrans train` of the tiny recipe on so many ranks, into tmp_path/NAME."""
    count = iter(range(1000))

    def started(ranks, name, *settings, fresh=False):
        options = [word for setting in settings for word in ("--set", setting)]
        options += ["--fresh"] if fresh else []
        folder, run = tmp_path / f"ranks {next(count)}", tmp_path / name
        return commands(folder, ranks, "train", tiny_file, "--run-dir", run, *options)

    return started


def test_only_the_first_rank_prints_and_validation_is_that_of_one(train, tmp_path, imtrans):
    still = "train.learning_rate=1e-12"  # so that one rank and two measure the same weights
    both = train(2, "two", still).done()
    assert both.children[1].out == ""
    assert both.err == ""
    assert "; 2 processes, the first on cpu, " in both.out
    assert "6 steps trained" in both.out
    code, out, _ = imtrans("train", tmp_path / "tiny.toml", "--run-dir", "one", "--set", still)
    assert code == 0
    assert "12 steps trained" in out

    def measured(run):
        lines = (tmp_path / run / "validation.jsonl").read_text().splitlines()
        return {row.pop("step"): row for row in map(json.loads, lines)}

    one, two = measured("one"), measured("two")
    for value in ("l1", "psnr", "ssim"):  # of three pairs, which two ranks do not divide
        assert two[0][value] == pytest.approx(one[0][value], abs=2e-6)
    session = json.loads((tmp_path / "two" / "sessions.jsonl").read_text())
    assert session["device"].startswith("2 processes, the first on cpu")


@pytest.mark.thorough
def test_an_interrupt_of_any_rank_ends_all_and_what_follows_is_exact(train, tmp_path):
    settings = ("train.epochs=8", "train.engine=plain", *DROPPING)
    whole = train(2, "whole", *settings).done()
    stopped = train(2, "stopped", *settings)
    wait_for(lambda: (tmp_path / "stopped/checkpoints/step_00000008").exists())
    os.kill(stopped.children[1].pid, signal.SIGTERM)
    assert stopped.wait() == [0, 0]
    assert "SIGTERM: saving, one moment" in stopped.out
    assert "the same command continues" in stopped.out
    again = train(2, "stopped", *settings).done()
    assert "continuing after" in again.out
    assert last_of(tmp_path / "stopped") == last_of(tmp_path / "whole") != {}
    assert "24 steps trained" in whole.out


@pytest.mark.thorough
def test_another_number_of_ranks_goes_on_with_the_pairs_that_are_left(train, tmp_path):
    first = train(1, "run", "train.checkpoint_every=4", "train.epochs=1").done()
    assert "6 steps trained" in first.out
    # As if it had been stopped after 4 of the 6 pairs.
    shutil.rmtree(tmp_path / "run/checkpoints/step_00000006")
    more = train(3, "run", "train.checkpoint_every=4", "train.epochs=1").done()
    assert "continuing on 3 processes; the session before had 1: a step takes 3 images" in more.out
    assert "5 steps trained" in more.out  # one more, of the two that were left
    header = read_header(tmp_path / "run/checkpoints/step_00000005/training.safetensors")
    assert (header.facts["ranks"], header.epoch, header.facts["batch"]) == ("3", 2, "0")
    again = train(2, "run", "train.epochs=2").done()
    assert "continuing on 2 processes; the session before had 3" in again.out
    assert "8 steps trained" in again.out


def test_a_picture_that_one_rank_cannot_read_ends_all_with_one_line(train, tmp_path):
    order = [index for _, index in Order(0, 6, 6).together(1, 0)]
    names = sorted((tmp_path / "pairs" / "train").iterdir())
    step = 1 if order[3] else 2  # pair 0 is read before the first step
    bad = names[order[2 * step + 1]]  # the second rank's
    bad.write_bytes(bad.read_bytes()[:-200])
    job = train(2, "run", "data.cache=false")
    assert job.wait() == [2, 2]
    assert job.err.startswith(f"error: rank 1: {bad}")
    assert job.err.count("\n") == 1
    assert (tmp_path / f"run/checkpoints/step_0000000{step}").is_dir()


@pytest.mark.thorough
def test_a_validation_picture_that_one_rank_cannot_read_loses_no_step(train, tmp_path):
    train(2, "run", "train.epochs=1").done()
    write_pairs(tmp_path / "pairs" / "val", 20)  # more than are shown
    bad = sorted((tmp_path / "pairs" / "val").iterdir())[1]  # the second rank's
    bad.write_bytes(bad.read_bytes()[:-200])
    job = train(2, "run", "train.epochs=3")
    assert job.wait() == [2, 2]
    assert job.err.startswith(f"error: rank 1: {bad}")
    assert job.err.count("\n") == 1
    assert (tmp_path / "run/checkpoints/step_00000006").is_dir()


@pytest.mark.thorough
def test_started_again_by_torchrun_a_fresh_run_continues(train, tmp_path, monkeypatch):
    train(2, "run", "train.epochs=1", "train.checkpoint_every=2", fresh=True).done()
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")
    again = train(2, "run", "train.epochs=2", fresh=True).done()
    assert "continuing after" in again.out
    assert not (tmp_path / "run.old-1").exists()


def test_a_mistake_in_the_recipe_is_one_line_of_one_rank(train):
    job = train(2, "run", "train.batch_size=0")
    assert job.wait() == [2, 2]
    assert job.err.count("error:") == 1
    assert "train.batch_size" in job.err


def test_other_pairs_on_another_machine_are_refused(tmp_path, tiny_file):
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "pairs", other)
    (other / "train" / "000.png").unlink()

    def work(group):
        root = tmp_path / "pairs" if group.leads else other
        found = recipes.read(tiny_file, [f"data.root={root}"], catalog())
        fit(Task(found, catalog(), ranks=2), tmp_path / "run", group=group)

    job = Ranks(tmp_path / "r", 2, work)
    assert 0 not in job.wait()
    assert "rank 1 has other pairs there than rank 0: 5 and 6" in job.children[0].err
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_on_one_rank_ends_all_and_names_the_pairs(tmp_path, tiny_file):
    class Breaking(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0

        def forward(self, output, target):
            self.calls += not output.is_leaf  # of a network, and not what the loss is probed with
            broken = self.calls > 7 and os.environ.get("RANK") == "1"
            return (output - target).abs().mean() * (float("nan") if broken else 1.0)

    installed = with_plugin(losses={"breaking": Breaking})

    def work(group):
        settings = ["loss=[{name='breaking'}]", "train.checkpoint_every=2", "train.log_every=1"]
        found = recipes.read(tiny_file, settings, installed)
        fit(Task(found, installed, ranks=2), tmp_path / "run", group=group)

    job = Ranks(tmp_path / "r", 2, work)
    assert 0 not in job.wait()
    assert "the loss 'breaking' became nan in step " in job.children[0].err
    assert "on the pairs 00" in job.children[0].err
    assert "Told" in job.children[1].err  # which imtrans does not print
    assert (tmp_path / "run/checkpoints/step_00000002").is_dir()


@pytest.mark.soak
def test_pools_of_images_go_on_as_they_were(tmp_path, tmp_path_factory):
    write_unpaired(tmp_path / "unpaired")
    text = UNPAIRED.format(root=(tmp_path / "unpaired").as_posix())
    (tmp_path / "unpaired.toml").write_text(text)

    def job(name, epochs):
        words = ["--run-dir", tmp_path / name, "--set", f"train.epochs={epochs}"]
        words += ["--set", "generator.name=resnet_6"]
        folder = tmp_path_factory.mktemp("ranks") / "r"
        return commands(folder, 2, "train", tmp_path / "unpaired.toml", *words).done()

    job("whole", 4)
    job("parts", 2)
    again = job("parts", 4)
    assert "continuing after" in again.out
    found = last_of(tmp_path / "parts")
    assert found == last_of(tmp_path / "whole")
    assert any("rank_1/state/pool" in name for name in found)


def test_one_process_says_how_to_use_the_other_gpus():
    gpu = torch.device("cuda")
    told = unused_gpus(gpu, 4, ["imtrans", "train", "my task.toml", "--set", "seed=1"])
    assert told.startswith("note: 4 GPUs are here, and one is used. all of them: torchrun ")
    assert told.endswith("--nproc-per-node 4 -m imtrans train 'my task.toml' --set seed=1")
    assert unused_gpus(gpu, 1, []) is None
    assert unused_gpus(torch.device("cpu"), 4, []) is None


@pytest.mark.parametrize(
    ("name", "rank", "expected"),
    [
        (None, Rank(5, 8, 1, 4), "cuda:1"),
        ("cuda", Rank(0, 2, 0, 1), "cuda"),
        ("cpu", Rank(5, 8, 1, 4), "cpu"),
        ("cuda:1", Rank(0, 8, 0, 4), "device 'cuda:1' for 4 processes on this machine"),
        (None, Rank(5, 8, 5, 8), "4 GPUs for 8 processes on this machine"),
    ],
)
def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch, name, rank, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: None)
    if " " not in expected:
        assert str(choose_device(name, rank)) == expected
        return
    with pytest.raises(ImtransError, match=expected):
        choose_device(name, rank)


def test_a_command_that_is_not_shared_is_rank_0s_alone(tmp_path, tiny_file):
    job = commands(tmp_path / "r", 2, "check", tiny_file).done()
    assert "one step" in job.out
    assert job.children[1].out == ""
