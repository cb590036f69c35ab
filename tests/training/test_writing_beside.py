"""What is written while a training goes on is what would have been written had it waited."""

import queue
from contextlib import suppress

import pytest
import torch
from traces import differences, traces

from imtrans.api.errors import ImtransError
from imtrans.host.background import Background, nothing
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs import checkpoint
from imtrans.runs.checkpoint import checkpoints
from imtrans.runs.copies import copied
from imtrans.task import Task
from imtrans.training import fit as fitting
from imtrans.training.fit import fit
from imtrans.training.meter import Meter, NotFinite
from imtrans.training.step.stepper import Stepper


@pytest.fixture
def tiny_engine():
    """Any will do here."""
    return "plain"


class AtOnce(Background):
    """Nothing is done beside anything."""

    def do(self, work, then=nothing):
        work()
        then()


def task_of(tiny_file, *keys):
    return Task(recipes.read(tiny_file, keys, catalog()), catalog())


@pytest.mark.thorough
@pytest.mark.parametrize("keys", [(), ("train.ema=0.9", "train.checkpoint_every=2")], ids=str)
def test_the_bytes_are_those_of_a_run_that_waits(tiny_file, tmp_path, monkeypatch, keys):
    fit(task_of(tiny_file, *keys), tmp_path / "beside")
    monkeypatch.setattr(fitting, "Background", AtOnce)
    fit(task_of(tiny_file, *keys), tmp_path / "at once")
    assert differences(tmp_path / "beside", traces(tmp_path / "at once")) == []


@pytest.fixture
def slow(monkeypatch):
    """Writing a checkpoint takes three steps; what happened, in order."""
    happened, steps = [], queue.Queue()
    save, take = checkpoint.save, Stepper.take

    def slowly(folder, *rest):
        happened.append(f"begins {folder.name}")
        while not steps.empty():
            steps.get()
        with suppress(queue.Empty):  # as at the end, when there is no step any more
            for _ in range(3):
                steps.get(timeout=0.2)
        save(folder, *rest)
        happened.append(f"ends {folder.name}")

    def noting(self, feed, most):
        steps.put("step")
        happened.append("step")
        return take(self, feed, most)

    monkeypatch.setattr(checkpoint, "save", slowly)
    monkeypatch.setattr(Stepper, "take", noting)
    return happened


def test_steps_are_taken_while_a_checkpoint_is_written_which_holds_those_before(
    tiny_file, tmp_path, slow, monkeypatch
):
    quiet = ("validate.metrics=[]", "train.sample_every=99", "train.checkpoint_every=5")
    with monkeypatch.context() as patch:  # the first, before any step, waits for none
        patch.setattr(fitting.Loop, "_rehearse", lambda loop: None)
        fit(task_of(tiny_file, *quiet), tmp_path / "slow")
    begun = slow.index("begins step_00000005")
    assert slow[begun : slow.index("ends step_00000005")].count("step") >= 3
    monkeypatch.undo()
    monkeypatch.setattr(fitting, "Background", AtOnce)
    fit(task_of(tiny_file, *quiet), tmp_path / "at once")
    for name in ("step_00000010", "step_00000012"):
        for path in (tmp_path / "at once/checkpoints" / name).iterdir():
            assert (tmp_path / "slow/checkpoints" / name / path.name).read_bytes() == (
                path.read_bytes()
            )


@pytest.mark.thorough
def test_the_next_checkpoint_waits_for_the_one_before(tiny_file, tmp_path, slow, monkeypatch):
    quiet = ("validate.metrics=[]", "train.sample_every=99", "train.checkpoint_every=1")
    monkeypatch.setattr(fitting.Loop, "_rehearse", lambda loop: None)
    fit(task_of(tiny_file, *quiet, "train.epochs=1"), tmp_path / "run")
    written = [each for each in slow if each != "step"]
    names = [f"step_{number:08d}" for number in range(1, 7)]
    assert written == [f"{what} {name}" for name in names for what in ("begins", "ends")]


def test_a_checkpoint_that_cannot_be_written_ends_the_training_with_one_line(
    tiny_file, tmp_path, monkeypatch
):
    save = checkpoint.save

    def full(folder, *rest):
        if folder.name == "step_00000004":
            raise ImtransError(f"{folder}: cannot write the checkpoint: no space left on device")
        save(folder, *rest)

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(ImtransError, match="step_00000004: cannot write the checkpoint: no space"):
        fit(task_of(tiny_file), tmp_path / "run")
    assert [path.name for path in checkpoints(tmp_path / "run")] == ["step_00000000"]
    monkeypatch.undo()
    assert fit(task_of(tiny_file), tmp_path / "run").step == 12


def test_copies_are_those_of_their_moment_and_in_the_order_of_files():
    weight = torch.arange(48.0).view(1, 3, 4, 4).to(memory_format=torch.channels_last)
    before = weight.clone()
    kept = copied({"generator": {"weight": weight}}, torch.device("cpu"))
    weight.mul_(2)
    found = kept["generator"]()["weight"]
    assert torch.equal(found, before)
    assert found.is_contiguous()


def test_losses_of_several_steps_at_once_are_counted_and_the_bad_one_named():
    meter = Meter()
    meter.count({"d": torch.tensor(1.0), "l1": torch.tensor(2.0)}, images=1)
    meter.count({"d": torch.tensor([2.0, 3.0]), "l1": torch.tensor([4.0, 6.0])}, images=2)
    assert meter.steps == 3
    assert meter.read(1e-3).losses == {"d": 2.0, "l1": 4.0}
    assert meter.steps == 0
    meter.count({"d": torch.tensor([1.0, torch.nan, 1.0, 1.0])}, images=4)
    meter.count({"d": torch.tensor([1.0])}, images=1)
    with pytest.raises(NotFinite, match="'d'") as found:
        meter.read(1e-3)
    assert found.value.ago == 3
