"""Steps in a graph, as far as a CPU can show it: the same work, called instead of recorded."""

import os
import signal
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from loading import Loading
from steps import CPU, step_of
from traces import differences, traces

from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch, Method
from imtrans.data.loader import Batches
from imtrans.data.resident import Resident
from imtrans.host import devices
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training import feeding
from imtrans.training import fit as fitting
from imtrans.training.feeding import ResidentFeed
from imtrans.training.fit import fit
from imtrans.training.step import graph, recording
from imtrans.training.step.engine import Engine, choose_engine
from imtrans.training.step.stepper import Stepper

FAST = Engine("fast", CPU)
WHOLE = replace(FAST, graphed=True, resident=True, launch=3)


def called(work, device):
    """Instead of a recording: the work is done as often as a recording does it, and then called."""
    for _ in range(recording.WARM_UP + 1):
        work()
    return work


@pytest.fixture
def calling(monkeypatch):
    monkeypatch.setattr(graph, "record", called)


@pytest.fixture
def on_device(monkeypatch, calling):
    """Trainings keep their pairs on the device, and take their steps from graphs."""

    def chosen(engine):
        monkeypatch.setattr(feeding, "fits", lambda sampler, device: sampler.cache is not None)
        monkeypatch.setattr(fitting, "choose_engine", lambda *_: engine)

    return chosen


def recipe_of(tiny_file, *keys):
    """Twelve steps in two epochs, from a cache."""
    usual = ("train.epochs=2", "data.cache=true", "train.log_every=4", "generator.dropout=0.0")
    return recipes.read(tiny_file, [*usual, *keys], catalog())


more = partial(pytest.param, marks=pytest.mark.thorough)
# With the sizes of the graphs that take their steps, of up to three steps.
KEYS = [
    ((), {1, 3}),
    more(("train.ema=0.9", "train.warm_up=3", "validate.every=4"), {1, 3}),
    more(("train.batch_size=4",), {1}),  # and a smaller one, in each epoch
    more(("train.batch_size=2", "data.flip=false", "train.log_every=1"), {1}),
    more(("train.batch_size=99",), {1}),
]


@pytest.mark.parametrize(("keys", "sizes"), KEYS)
@pytest.mark.parametrize("launch", [pytest.param(1, marks=pytest.mark.soak), 3])
def test_a_run_whose_steps_come_from_graphs_leaves_the_same_bytes(
    tiny_file, tmp_path, on_device, keys, sizes, launch
):
    recipe = recipe_of(tiny_file, *keys)
    on_device(FAST)
    fit(Task(recipe, catalog()), tmp_path / "one by one")
    on_device(replace(WHOLE, launch=launch))
    replayed = []
    with pytest.MonkeyPatch.context() as patch:
        replay = graph.GraphedSteps.__call__
        patch.setattr(
            graph.GraphedSteps, "__call__", lambda self: replayed.append(self.count) or replay(self)
        )
        fit(Task(recipe, catalog()), tmp_path / "graphs")
    assert differences(tmp_path / "graphs", traces(tmp_path / "one by one")) == []
    assert set(replayed) == {size for size in sizes if size <= launch}


@pytest.mark.thorough
def test_dropout_goes_on_after_a_recording_as_if_there_had_been_none(
    tiny_file, tmp_path, on_device
):
    recipe = recipe_of(tiny_file, "generator.dropout=0.5")
    for name, engine in (("one by one", FAST), ("graphs", WHOLE)):
        on_device(engine)
        fit(Task(recipe, catalog()), tmp_path / name)
    assert differences(tmp_path / "graphs", traces(tmp_path / "one by one")) == []


@pytest.mark.thorough
def test_an_interrupted_run_of_several_steps_at_once_continues_to_the_same_bytes(
    tiny_file, tmp_path, on_device, monkeypatch
):
    recipe = recipe_of(tiny_file, "train.checkpoint_every=99")
    on_device(replace(WHOLE, launch=2))
    fit(Task(recipe, catalog()), tmp_path / "whole")
    take = Stepper.take

    def interrupting(self, feed, most):
        os.kill(os.getpid(), signal.SIGTERM)
        return take(self, feed, most)

    with monkeypatch.context() as patch:
        patch.setattr(Stepper, "take", interrupting)
        outcomes = [fit(Task(recipe, catalog()), tmp_path / "parts") for _ in range(3)]
    assert [outcome.step for outcome in outcomes][:2] == [2, 3]
    fit(Task(recipe, catalog()), tmp_path / "parts")
    found = traces(tmp_path / "parts")
    last = {k: v for k, v in traces(tmp_path / "whole").items() if "step_00000012/" in k}
    assert len(last) == 4
    assert {name: found[name] for name in last} == last


def test_a_method_with_work_between_its_steps_is_replayed_one_by_one(tiny_file, monkeypatch):
    class Counting(type(step_of(recipe_of(tiny_file)).method)):
        done = 0

        def after_step(self):
            self.done += 1

    step = step_of(recipe_of(tiny_file))
    assert step.several
    step.method.__class__ = Counting
    assert not step.several
    assert Method.after_step is not Counting.after_step


# --- batches that the device cuts by itself ---


def walked(tiny_file, *keys, size=4):
    loading = Loading(tiny_file, *keys)
    sampler = loading.sampler().reading(loading.obtain())
    return loading, Resident(sampler, loading.order(size), CPU)


@pytest.mark.parametrize("start", [(1, 0), (2, 1), (3, 0)])
@pytest.mark.parametrize("tries", [0, 7])
def test_the_cursor_walks_as_the_host_would(tiny_file, start, tries):
    loading, pairs = walked(tiny_file)
    expected = Batches(
        loading.pairs, loading.sampler(), loading.order(4), workers=0, pin=False
    ).start(*start)
    pairs.begin(*start)
    for _ in range(7):
        for _ in range(tries):  # as a recording cuts batches that do not count
            pairs.cut()
        pairs.rewind()
        whole = pairs.whole
        sample = pairs.cut() if whole else pairs.next()
        if whole:
            pairs.passed(1)
        for side, wanted in zip(sample, next(expected), strict=True):
            assert torch.equal(side, wanted)


def test_a_table_encodes_as_arithmetic_does(tiny_file):
    for keys in ([], ["data.target.range=[10,200]"]):
        side = Task(recipe_of(tiny_file, *keys), catalog()).encoding.target
        stored = torch.arange(256, dtype=torch.uint8).repeat(3, 2).view(1, 3, 16, 32)
        assert torch.equal(side.looked_up(stored), side.encode(stored))


def test_losses_stay_until_they_are_read(tiny_file, calling):
    """A ring holds those of as many steps as are between two readings, and no fewer."""
    recipe = recipe_of(tiny_file, "train.log_every=4", "train.batch_size=1")
    _, pairs = walked(tiny_file, size=1)
    feed = ResidentFeed(pairs, Task(recipe, catalog()).encoding)
    feed.start(1, 0)
    stepper = Stepper(step_of(recipe, replace(WHOLE, launch=1)), print)
    kept, copies = [], []
    for _ in range(4):
        _, losses = stepper.take(feed)
        kept.append(losses["l1"])
        copies.append(losses["l1"].clone())
    assert torch.equal(torch.stack(kept), torch.stack(copies))
    assert len(set(torch.stack(copies).flatten().tolist())) == 4


# --- a recording that fails ---


def refusing(reason):
    def record(work, device):
        for _ in range(2):
            work()
        try:
            raise RuntimeError(f"{reason}\nand more")
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    return record


@pytest.mark.parametrize("resident", [False, True])
def test_steps_that_cannot_be_recorded_are_taken_as_if_nobody_had_tried(
    tiny_file, monkeypatch, resident
):
    monkeypatch.setattr(graph, "record", refusing("a value was asked for"))
    recipe, said = recipe_of(tiny_file, "generator.dropout=0.5", "train.batch_size=2"), []
    rows = []
    for engine in (FAST, WHOLE):
        _, pairs = walked(tiny_file, size=2)
        feed = ResidentFeed(pairs, Task(recipe, catalog()).encoding, in_graph=resident)
        feed.start(1, 0)
        torch.manual_seed(0)
        stepper = Stepper(step_of(recipe, engine), said.append)
        rows.append([stepper.take(feed)[1]["l1"].reshape(()) for _ in range(5)])
    assert torch.equal(torch.stack(rows[0]), torch.stack(rows[1]))
    assert said == [
        "note: no CUDA graph of this step (a value was asked for); running it in parts. Nothing to "
        "do."
    ]


class Generator:
    """Of a GPU's random numbers; notes what is done with it."""

    def __init__(self, done):
        self.done = done

    def clone_state(self):
        self.done.append("state cloned")
        return "the state"

    def graphsafe_set_state(self, state):
        self.done.append(f"{state} put back")


@pytest.fixture
def gpu(monkeypatch):
    """A torch.cuda whose captures end as torch 2.11's do when CUDA invalidates them: `__exit__`
    raises before it has put anything back."""
    done, waits = [], []

    @contextmanager
    def capturing(recorded, *, pool, stream, capture_error_mode):
        done.append(f"capturing in {pool}, {capture_error_mode}")
        fake.current = stream
        try:
            yield
        except RuntimeError as error:
            raise RuntimeError("operation failed due to a previous error") from error

    @contextmanager
    def on(stream):
        before, fake.current = fake.current, stream
        try:
            yield
        finally:
            fake.current = before

    def set_stream(stream):
        done.append("stream put back")
        fake.current = stream

    class Stream:
        def __init__(self, device):
            self.device = device

        def wait_stream(self, other):
            waits.append((self, other))

    fake = SimpleNamespace(
        current=Stream(0),
        done=done,
        waits=waits,
        Stream=Stream,
        CUDAGraph=lambda: SimpleNamespace(replay=lambda: done.append("replayed")),
        graph=capturing,
        stream=on,
        set_stream=set_stream,
        current_stream=lambda device: fake.current,
        current_device=lambda: 0,
        default_generators=[Generator(done), Generator(done)],
        graph_pool_handle=lambda: "a pool",
        empty_cache=lambda: done.append("cache emptied"),
        get_sync_debug_mode=lambda: 0,
        set_sync_debug_mode=lambda mode: done.append(f"waiting: {mode}"),
    )
    monkeypatch.setattr(torch, "cuda", fake)
    return fake


def test_what_a_failed_capture_leaves_behind_is_put_back(gpu):
    before, calls = gpu.current, []

    def work():
        calls.append(gpu.current)
        if len(calls) > recording.WARM_UP:
            raise RuntimeError("a kernel that cannot be captured")

    with pytest.raises(RuntimeError, match="previous error") as failed:
        recording.record(work, torch.device("cuda", 1))
    assert "cannot be captured" in str(failed.value.__context__)
    assert gpu.current is before
    assert gpu.done[-3:] == ["stream put back", "the state put back", "cache emptied"]
    assert "capturing in a pool, thread_local" in gpu.done
    assert all(stream.device == torch.device("cuda", 1) for stream in calls)


def test_what_waits_for_the_device_is_found_before_anything_is_captured(gpu):
    calls = []

    def work():
        calls.append(1)
        if "waiting: error" in gpu.done:
            raise RuntimeError("called a synchronizing CUDA operation")

    with pytest.raises(RuntimeError, match="synchronizing"):
        recording.record(work, torch.device("cuda"))
    assert len(calls) == recording.WARM_UP
    assert gpu.done == ["waiting: error", "waiting: 0"]
    # What puts weights back comes after what the warm-up has still to do.
    (side, usual), *_ = gpu.waits
    assert gpu.waits[1:] == [(usual, side)]


def test_a_recording_that_holds_nothing_is_noticed(tiny_file, monkeypatch):
    monkeypatch.setattr(graph, "record", lambda work, device: lambda: None)
    (batch,) = [Batch(*torch.rand(2, 1, 3, 64, 64))]
    with pytest.raises(RuntimeError, match="the recording is empty"):
        graph.GraphedSteps(step_of(recipe_of(tiny_file), FAST), lambda: batch)


# --- the device ---


def test_a_gpu_that_is_chosen_becomes_the_current_one(monkeypatch):
    chosen = []
    monkeypatch.setattr(devices, "available", lambda: ["cpu", "cuda:0", "cuda:1"])
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert devices.choose_device("cuda:1") == torch.device("cuda", 1)
    devices.choose_device("cuda")
    devices.choose_device("cpu")
    assert chosen == [1, 0]
    with pytest.raises(ImtransError, match="'cuda:2' is not available"):
        devices.choose_device("cuda:2")


def test_the_reference_engine_computes_in_whole_fp32_and_fast_fp32_says_that_it_does_not(
    tiny, monkeypatch
):
    cuda, cudnn, matmul = torch.device("cuda"), torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark

    def flags(engine):
        with engine.convolving():
            return cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark

    assert flags(Engine("plain", cuda)) == (False, False, False)
    assert flags(Engine("fast", cuda, tf32=True, tuning=10)) == (True, True, True)
    assert flags(Engine("fast", cuda, "bf16", tuning=0))[2]
    assert (cudnn.allow_tf32, matmul.allow_tf32, cudnn.benchmark) == before
    assert str(Engine("fast", cuda, tf32=True)) == "fast, tf32"
    assert str(Engine("fast", cuda, "bf16", tf32=True)) == "fast, bf16"
    assert str(Engine("plain", cuda)) == "plain, fp32"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    exact = tiny.train.model_copy(update={"deterministic": True, "precision": "fp32"})
    assert choose_engine(exact, cuda).tuning is None
    chosen = choose_engine(tiny.train, cuda)
    assert (chosen.graphed, chosen.resident, chosen.tf32, chosen.tuning) == (True, True, True, 10)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert str(choose_engine(exact, cuda)) == "fast, fp32, one graph"
