"""Each schedule against its formula."""

import math

import pytest

from imtrans.api.errors import ImtransError
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import TrainTable
from imtrans.training.schedule import factor


def factors(epochs, **keys):
    """The factor of every epoch, long after the warm-up."""
    train = TrainTable(epochs=epochs, **keys)
    return [factor(train, epoch, 10**9) for epoch in range(1, epochs + 1)]


def test_by_default_the_rate_is_constant():
    assert factors(5) == [1.0] * 5
    assert factors(5, schedule="constant") == [1.0] * 5


@pytest.mark.parametrize("schedule", [None, "linear"])
def test_linear_is_constant_then_falls_and_the_last_epoch_still_learns(schedule):
    found = factors(200, decay_from=100, schedule=schedule)
    assert found[:100] == [1.0] * 100
    assert found[100:] == pytest.approx([1 - n / 101 for n in range(1, 101)])
    assert found[-1] == pytest.approx(1 / 101)


def test_linear_may_fall_from_the_first_epoch():
    assert factors(4, schedule="linear") == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_cosine_follows_half_a_cosine():
    found = factors(9, schedule="cosine")
    assert found == pytest.approx([(1 + math.cos(math.pi * n / 10)) / 2 for n in range(1, 10)])
    assert factors(20, schedule="cosine", decay_from=10)[:10] == [1.0] * 10


def test_step_falls_by_a_factor_every_few_epochs():
    assert factors(7, schedule="step", decay_every=3) == pytest.approx(
        [1, 1, 1, 0.1, 0.1, 0.1, 0.01]
    )
    later = factors(6, schedule="step", decay_every=2, decay_from=1, decay_factor=0.5)
    assert later == pytest.approx([1, 1, 1, 0.5, 0.5, 0.25])


def test_the_warm_up_rises_step_by_step_on_top_of_the_schedule():
    train = TrainTable(epochs=4, schedule="linear", warm_up=4)
    found = [factor(train, 1, step) for step in range(6)]
    assert found == pytest.approx([0.8 * share for share in (0.25, 0.5, 0.75, 1, 1, 1)])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.schedule=step", "needs it: a number of epochs"),
        ("train.decay_every=2", 'it belongs to schedule = "step"'),
        (
            "train.schedule=constant,train.decay_from=1",
            'has no effect with schedule = "constant"',
        ),
        ("train.schedule=exponential", "'exponential' is not one of"),
        ("train.decay_factor=1.5", "train.decay_factor"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(tiny_file, override, said):
    with pytest.raises(ImtransError) as caught:
        recipes.read(tiny_file, override.split(","), catalog())
    assert said in str(caught.value)
