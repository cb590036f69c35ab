"""Ranks that end, hang, or go apart: one line that names them, and nothing lost."""

import os
import signal
import sys
import time

import pytest
import torch
from forked_ranks import Ranks, free_port
from plugged import with_plugin
from steps import step_of
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.host.ranks import Rank
from imtrans.host.store import common_store
from imtrans.host.watch import DEAD, Lost, RankWatch
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.alike import check_alike

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

SMALL = """
title = "small"
[data]
root = "nowhere"
crop_size = 16
[generator]
name = "{generator}"
{width}
[discriminator]
name = "patch_16"
width = 4
[adversarial]
name = "vanilla"
[[loss]]
name = "l1"
[train]
epochs = 1
engine = "plain"
"""


def steps_of(group, doing, generator="resnet_6", installed=None, count=1000):
    """Steps on noise; `doing` is called before each."""
    width = "width = 4" if generator == "resnet_6" else ""
    text = SMALL.format(generator=generator, width=width)
    recipe = recipes.parse(text, "here", (), installed or catalog())
    step = step_of(recipe, installed=installed)
    step.join(group, lambda line: print(line, flush=True))
    batch = Task(recipe, installed or catalog()).noise(torch.device("cpu"), 1)
    for at in range(count):
        group.watch.at(f"computing step {at}")
        doing(group.rank.number, at)
        step(batch)
    return step


def ended(folder, doing, patience=60, ranks=2):
    """How ranks end that train, one of which does something."""
    return Ranks(folder, ranks, lambda group: steps_of(group, doing), patience=patience)


@pytest.mark.thorough
def test_a_killed_rank_is_named(tmp_path):
    def doing(rank, at):
        if rank == 1 and at == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    job = ended(tmp_path / "r", doing)
    codes = job.wait()
    assert codes[1] == -signal.SIGKILL
    assert codes[0] != 0
    assert f"process {job.children[1].pid}) has ended" in job.err
    assert "rank 1 (" in job.err
    assert "the same command continues after the newest checkpoint" in job.err


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["sleeps", pytest.param("stopped", marks=pytest.mark.soak)])
def test_a_hung_rank_is_named(tmp_path, how):
    def doing(rank, at):
        if rank == 1 and at == 3:
            time.sleep(1000) if how == "sleeps" else os.kill(os.getpid(), signal.SIGSTOP)

    begun = time.monotonic()
    job = ended(tmp_path / "r", doing, patience=3)
    code = job.children[0].wait()
    waited = time.monotonic() - begun
    job.children[1].kill()
    assert code != 0
    told = job.children[0].err
    assert told.startswith("error: rank 1 (")
    assert told.count("\n") == 1
    if how == "sleeps":
        assert "hangs: no progress for" in told
        assert "(computing step 3)" in told
    else:
        assert "nothing was heard of it for" in told
        assert waited > DEAD


def test_a_rank_with_an_error_of_its_own_is_named_by_the_others(tmp_path):
    def doing(rank, at):
        if rank == 1 and at == 3:
            raise ZeroDivisionError("a fault of a plugin")

    job = ended(tmp_path / "r", doing)
    assert 0 not in job.wait()
    assert "a fault of a plugin" in job.children[1].err
    assert "rank 1 (" in job.children[0].err
    assert "has ended with an error of its own" in job.children[0].err


def test_a_rank_that_never_comes_is_named(monkeypatch):
    for name, value in (("WORLD_SIZE", "3"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    with pytest.raises(ImtransError, match="waited . s for rank 1, rank 2, which did not come"):
        common_store(Rank(0, 3), longest=0.2)
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    with pytest.raises(ImtransError, match=r"rank 1 .* cannot reach the other 2 at 127\.0\.0\.1:"):
        common_store(Rank(1, 3), longest=0.2)
    monkeypatch.delenv("MASTER_ADDR")
    with pytest.raises(ImtransError, match="MASTER_ADDR is not set"):
        common_store(Rank(1, 3), longest=0.2)


@pytest.mark.thorough
def test_who_is_done_waits_for_who_still_reads(tmp_path):
    begun = time.time()

    def work(group):
        if group.rank.number == 1:
            time.sleep(1)  # as one that is slow to read its last message

    job = Ranks(tmp_path / "r", 2, work).done()
    assert time.time() - begun > 1
    assert job.err == ""


# --- components that work on one device, and not on several ---


class Generator(nn.Module):
    """One convolution, and what it misbehaves with."""

    stride = 1
    behaviour = ""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.extra = nn.Parameter(torch.ones(3))
        self.register_buffer("seen", torch.zeros(()))
        self.calls = 0

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        # Before the steps it is tried, and nothing learns of that.
        self.calls += torch.is_grad_enabled() and self.training
        found = self.inner(source)
        rank = int(os.environ.get("RANK", "0"))
        if self.behaviour == "counts" and self.training:
            self.seen += rank + 1
        if self.behaviour == "here and there" and rank == 1:
            found = found * self.extra.mean()
        if self.behaviour == "now and then" and self.calls > 2 and rank == 1:
            found = found * self.extra.mean()
        return torch.tanh(found)


def with_a_generator(behaviour):
    class Misbehaving(Generator):
        pass

    Misbehaving.behaviour = behaviour
    return with_plugin(generators={"misbehaving": Misbehaving})


def work(behaviour, count=4):
    def steps(group):
        step = steps_of(group, lambda *_: None, "misbehaving", with_a_generator(behaviour), count)
        check_alike(step.method, group)

    return steps


def test_a_parameter_that_is_never_used_is_named(tmp_path):
    job = Ranks(tmp_path / "r", 2, work("")).done()
    note = "note: the phase 'generator' gives no gradient to generator.extra: not trained"
    assert job.out.count(note) == 1


def test_a_parameter_that_some_ranks_use_is_named_and_counts_as_zero_elsewhere(tmp_path):
    job = Ranks(tmp_path / "r", 2, work("here and there")).done()
    assert "gives generator.extra a gradient on some ranks, and none on rank 0" in job.out


def test_a_parameter_that_is_used_later_is_refused(tmp_path):
    job = Ranks(tmp_path / "r", 2, work("now and then"))
    assert 0 not in job.wait()
    assert "'generator.extra' has a gradient on rank 1 (" in job.children[1].err
    assert "the phase 'generator' uses it now and then" in job.children[1].err


def test_a_buffer_that_differs_by_rank_is_named(tmp_path):
    job = Ranks(tmp_path / "r", 2, work("counts"))
    assert 0 not in job.wait()
    assert "the generator's 'seen' is not the same on rank 1 as on rank 0" in job.children[0].err


# --- what the watch concludes ---


class Store(dict):
    """What ranks tell each other by, in this process."""

    def set(self, key, value):
        self[key] = value

    def check(self, keys):
        return all(key in self for key in keys)


@pytest.fixture
def watches(monkeypatch):
    """Two watches on one store, and the time that they see."""
    clock = [1000.0]
    monkeypatch.setattr("imtrans.host.watch.monotonic", lambda: clock[0])
    store = Store()
    return clock, [RankWatch(Rank(number, 2), store, 10.0) for number in range(2)]


def told(watch, dead_after=DEAD):
    watch._look()
    return watch._trouble(dead_after)


def test_who_works_and_who_waits(watches):
    clock, (one, other) = watches
    for watch in (one, other):
        watch.at("beginning")
        watch._tell()
    assert told(one) is None
    clock[0] += 9
    other.at("reading")
    one._waits = True
    for watch in (one, other):
        watch._tell()
    assert told(one) is None
    clock[0] += 9  # the first waits for longer than is allowed, but for one that still works
    for watch in (one, other):
        watch._tell()
    assert told(one) is None
    clock[0] += 9
    for watch in (one, other):
        watch._tell()
    assert "rank 1 (" in told(one)
    assert "hangs: no progress for 18 s (reading)" in told(one)


def test_what_may_take_any_time_is_no_hanging(watches):
    clock, (one, other) = watches
    one._waits = True
    with other.patient():
        for _ in range(9):
            for watch in (one, other):
                watch._tell()
            assert told(one) is None
            clock[0] += 9
    for watch in (one, other):
        watch._tell()
    assert told(one) is None


def test_all_that_wait_for_each_other(watches):
    clock, (one, other) = watches
    for _ in range(3):
        for watch in (one, other):
            watch._waits = True
            watch._tell()
        one._look()
        clock[0] += 9
    assert told(one).startswith("all 2 ranks wait for each other")


def test_who_has_ended_as_it_should_is_not_missed(watches):
    clock, (one, other) = watches
    for watch in (one, other):
        watch._tell()
    assert told(one) is None
    other.end()
    clock[0] += 8
    one.at("writing")
    one._tell()
    assert told(one) is None
    clock[0] += 8
    one._tell()
    assert told(one) is None
    one._waits = True
    clock[0] += 8
    one._tell()
    assert "has ended with an error of its own" in told(one)


def test_all_that_have_ended_miss_nobody(watches):
    _, (one, other) = watches
    for watch in (one, other):
        watch._tell()
        watch.end()
    assert told(one) is None


def test_only_faults_of_connections_are_other_ranks(watches):
    _, (one, _) = watches
    with pytest.raises(RuntimeError, match="size of tensor a"), one.waiting():
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")
    assert issubclass(Lost, ImtransError)
