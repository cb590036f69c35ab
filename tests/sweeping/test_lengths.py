"""How long variants train: what a step takes beside another, and the epochs that follow."""

import json
import time
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_sweep import write_sweep

from imtrans.benchmark.own_process import NoMemory
from imtrans.benchmark.rounds import in_turns
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import Recipe
from imtrans.runs.measurements import training_seconds
from imtrans.sweeping import timing
from imtrans.sweeping.epochs import CLOSE, StepPace, apart, equalled, lasting
from imtrans.sweeping.timing import step_time


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_sweep(tmp_path)
    return recipes.read("small.toml", catalog=catalog())


def recipe(**train):
    return Recipe.model_validate({"data": {"root": "x"}, "train": train})


def test_epochs_follow_from_the_time_of_a_step_and_the_steps_of_an_epoch():
    own = recipe(epochs=200, decay_from=100)
    slower = equalled(own, StepPace(400, 2.0), 200, StepPace(400))
    assert (slower.train.epochs, slower.train.decay_from) == (100, 50)
    larger_batches = equalled(own, StepPace(100, 2.0), 200, StepPace(400))
    assert (larger_batches.train.epochs, larger_batches.train.decay_from) == (400, 200)
    assert equalled(own, StepPace(400, 1000.0), 200, StepPace(400)).train.epochs == 1


def test_the_steps_of_a_schedule_are_stretched_too():
    own = recipe(epochs=10, schedule="step", decay_every=4)
    assert lasting(own, 30).train.decay_every == 12
    assert lasting(own, 1).train.decay_every == 1


@given(
    epochs=st.integers(1, 500),
    start=st.integers(1, 500),
    steps=st.integers(1, 1000),
    times=st.floats(0.01, 100),
    count=st.integers(1, 500),
)
def test_the_recipe_stays_valid_and_is_as_near_as_whole_epochs_can_be(
    epochs, start, steps, times, count
):
    own = recipe(epochs=epochs, decay_from=min(start, epochs))
    pace, first = StepPace(steps, times), StepPace(100)
    found = equalled(own, pace, count, first)
    assert Recipe.model_validate(found.model_dump(by_alias=True)) == found
    assert found.train.epochs == 1 or (
        abs(found.train.epochs * pace.epoch - count * first.epoch) <= pace.epoch / 2 * (1 + 1e-9)
    )


def test_only_what_is_far_from_the_time_of_the_first_is_named():
    lengths = {"first": recipe(epochs=100), "near": recipe(epochs=52), "far": recipe(epochs=53)}
    paces = {"first": StepPace(10), "near": StepPace(10, 2.0), "far": StepPace(10, 2.0)}
    assert apart(lengths, paces) == {"far": pytest.approx(1.06)}
    assert CLOSE == 0.05


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(timing, "ROUNDS", 2)
    monkeypatch.setattr(timing, "in_turns", partial(in_turns, least=0.0))


def test_steps_are_measured_in_turns(small, hurried, monkeypatch):
    monkeypatch.setattr(timing, "in_own_process", lambda call, *given: call(*given))
    larger = small.model_copy(update={"train": small.train.model_copy(update={"batch_size": 4})})
    found = step_time(larger, small, [10, 10], "cpu")
    assert found.low <= found.times <= found.high
    assert found.seconds > 0
    assert found.beside > 0


def test_on_a_cpu_what_other_programs_take_of_it_is_not_counted():
    assert timing._clock(torch.device("cpu")) is time.process_time
    assert timing._clock(torch.device("cuda")) is time.perf_counter


def test_what_does_not_fit_into_memory_together_is_measured_apart(small, monkeypatch):
    asked = []

    def in_own_process(call, those, steps, device):
        asked.append(len(those))
        if len(those) > 1:
            raise NoMemory
        return [[2.0, 2.0, 2.0] if those[0] is small else [3.0, 3.0, 9.0]]

    monkeypatch.setattr(timing, "in_own_process", in_own_process)
    found = step_time(small.model_copy(), small, [10, 10], "cpu")
    assert asked == [2, 1, 1]
    assert (found.beside, found.seconds, found.times) == (2.0, 3.0, 1.5)


def test_phases_that_change_are_weighed_by_their_epochs(small, monkeypatch):
    """Of 10 epochs, 8 in the second stage."""
    own = small.model_copy(update={"train": small.train.model_copy(update={"epochs": 10})})
    monkeypatch.setattr(timing, "first_epochs", lambda method, epochs: [1, 3])
    monkeypatch.setattr(timing, "ROUNDS", 2)
    stages = iter([{"0": [1.0, 1.0]}, {"0": [2.0, 4.0]}])
    monkeypatch.setattr(timing, "in_turns", lambda *given, clock: next(stages))
    assert timing._seconds([own], [10], "cpu") == [[pytest.approx(1.8), pytest.approx(3.4)]]


def test_the_seconds_of_a_training_are_those_of_its_steps(tmp_path):
    rows = [{"step": 10, "images_per_second": 4.0}, {"step": 15, "images_per_second": 20.0}]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    own = recipe(epochs=1, batch_size=2, accumulate=2)
    assert training_seconds(tmp_path, own) == pytest.approx(10 * 4 / 4 + 5 * 4 / 20)
