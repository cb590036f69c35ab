"""Networks and batches as small as memory and hours ask for; and what is said of it."""

import pytest

from imtrans.drafting.fitting import fitted
from imtrans.drafting.machine import Cost, Machine, cost, this_machine
from imtrans.drafting.plan import planned
from imtrans.drafting.remarks import of_the_machine
from imtrans.drafting.sample import SideSample
from imtrans.drafting.situation import Situation
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog

SIDE = SideSample(sizes=[(300, 300)])
GPU = Machine("cuda", "a GPU", free=8 * 10**9)
SECONDS = {0: 8.0, 1: 2.5, 2: 0.9, 3: 0.2}  # a step of each size


def chosen(situation):
    return planned(situation)[0]


def situation(hours=None, pairs=400, machine=GPU):
    return Situation(pairs, ("a", "b"), SIDE, SIDE, validation="val", hours=hours, machine=machine)


def by_size(situation):
    return Cost(SECONDS[situation.shrunk], fits=True)


@pytest.mark.parametrize(
    ("hours", "shrunk"), [(None, 0), (400, 0), (100, 0), (10, 1), (3, 2), (0.5, 3), (0.001, 3)]
)
def test_the_largest_network_that_is_trained_for_long_enough(hours, shrunk):
    found = fitted(situation(hours), chosen, by_size)
    assert found.shrunk == shrunk
    assert found.cost == Cost(SECONDS[shrunk], fits=True)


def test_the_planned_time_is_within_the_hours():
    for hours in (0.2, 1, 8, 50, 300):
        found = chosen(fitted(situation(hours), chosen, by_size))
        assert found.seconds <= 3600 * hours


def test_memory_asks_for_smaller_batches_then_for_smaller_networks():
    def tight(needed):
        def measured(situation):
            memory = 1.0 / (2**situation.shrunk * situation.parts)
            return Cost(0.1, True) if memory <= needed else Cost(None, False)

        found = fitted(situation(), chosen, measured)
        return found.shrunk, found.parts

    assert tight(1.0) == (0, 1)
    assert tight(0.5) == (0, 2)
    assert tight(0.25) == (0, 4)
    assert tight(0.1) == (2, 4)


def test_what_does_not_fit_however_small_is_said():
    found = fitted(situation(), chosen, lambda situation: Cost(None, False))
    (said,) = of_the_machine(chosen(found))
    assert said == (
        "even so small it needs more memory than a GPU has, of which 8.0 GB is free: use a smaller "
        "data.crop_size, or another machine"
    )


def test_a_network_that_fails_is_not_tried_smaller():
    asked = []

    def failing(situation):
        asked.append(situation.shrunk)
        return Cost(None, True, failure="it is broken")

    found = fitted(situation(), chosen, failing)
    assert asked == [0]
    (said,) = of_the_machine(chosen(found))
    assert said == "no step could be taken here, so no time is planned: it is broken"


def said_of(hours, seconds, **more):
    found = fitted(situation(hours, **more), chosen, lambda situation: Cost(seconds, fits=True))
    return list(of_the_machine(chosen(found)))


def test_the_time_is_said():
    (said,) = said_of(None, 0.1)
    assert said.startswith("it will take about 0:37:02 on a GPU: 20,000 steps of 0.1 s")


def test_more_than_a_day_is_pointed_out():
    assert said_of(None, 10.0)[1].startswith("for less time: --hours 8")


def test_less_than_an_epoch_is_pointed_out():
    assert said_of(0.01, 10.0)[-1].startswith("one epoch of 400 pairs takes 0:18:31, which is more")


def test_a_busy_machine_is_pointed_out():
    busy = Machine("cpu", "a CPU", busy=True)
    assert "OMP_NUM_THREADS=1" in said_of(None, 0.01, machine=busy)[-1]


def test_a_step_is_timed_on_this_machine(tiny_file):
    found = cost(recipes.read(tiny_file, ["train.accumulate=2"], catalog()), catalog())
    assert found.seconds is not None
    assert 0 < found.seconds < 60
    assert found.fits
    assert found.memory is None  # there is plenty
    assert "fast" in found.engine or "plain" in found.engine


def test_where_memory_is_close_it_is_measured(tiny_file, monkeypatch):
    monkeypatch.setattr("imtrans.drafting.machine.free_memory", lambda device: 10**8)
    monkeypatch.setattr("imtrans.checking.cost.peak", lambda *parts: 2 * 10**8)
    found = cost(recipes.read(tiny_file, [], catalog()), catalog())
    assert (found.seconds, found.fits, found.memory) == (None, False, 2 * 10**8)


def test_this_machine_is_known(monkeypatch):
    found = this_machine()
    assert found.device in ("cpu", "cuda", "mps")
    assert found.name
    assert found.faster in ("fp32", "bf16")
    assert found.disk > 0


@pytest.mark.gpu
def test_on_a_gpu_memory_and_time_are_measured(tiny_file):
    found = cost(recipes.read(tiny_file, ["train.batch_size=4"], catalog()), catalog())
    assert found.fits
    assert found.memory > 0
    assert 0 < found.seconds < 60
    assert this_machine().device == "cuda"
    assert this_machine().free > found.memory
