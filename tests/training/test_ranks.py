"""Several ranks that train one thing: as one rank with larger batches, and nothing lost."""

import sys
from itertools import islice

import pytest
import torch
from forked_ranks import Ranks
from steps import step_of

from imtrans.api.method import Batch
from imtrans.data.draws import Order
from imtrans.host.group import alone
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.runs.rank_state import own_buffers
from imtrans.task import Task
from imtrans.training.step.stepper import Stepper

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")

PIX2PIX = """
title = "two ranks as one"
[data]
root = "nowhere"
crop_size = 16
[generator]
name = "resnet_6"
width = 4
dropout = 0
norm = "{norm}"
[discriminator]
name = "patch_16"
width = 4
norm = "{norm}"
[adversarial]
name = "vanilla"
[[loss]]
name = "l1"
weight = 100.0
[train]
epochs = 1
engine = "plain"
"""
CYCLEGAN = PIX2PIX.replace(
    '[[loss]]\nname = "l1"\nweight = 100.0\n', '[method]\nname = "cyclegan"\n'
)


STEADIED = (
    PIX2PIX.replace('"patch_16"\n', '"patch_16"\nspectral_norm = true\nfeatures = true\n')
    .replace('"vanilla"', '"hinge"')
    .replace("[train]", '[method]\nname = "pix2pix"\nr1 = 1.0\nfeature_matching = 10.0\n[train]')
)


def recipe_of(text, norm, *settings):
    return recipes.parse(text.format(norm=norm), "here", settings, catalog())


def pairs_of(recipe, count):
    """So many pairs of noise, in double precision."""
    both = Task(recipe, catalog()).noise(torch.device("cpu"), count)
    return Batch(*(side.double() for side in both))


def weights_after(group, recipe, pairs, order, steps):
    """The weights after so many steps, in double precision: so what differs is no rounding."""
    step = step_of(recipe)
    step.method.double()
    for average in step.averages.modules.values() if step.averages else ():
        average.double()
    for network in step.method.networks().values():
        network._forward_hooks.clear()  # which make outputs fp32
    step._begin_phases()
    step.join(group, print)
    stepper = Stepper(step, print)
    for own in islice(order.own(1), steps):
        step.weight = own.weight
        at = [index for _, index in own.keys]
        stepper(Batch(*(side[at] for side in pairs)))
    own = own_buffers(step.method)  # pools hold what a rank has seen
    return {name: values for name, values in step.method.state_dict().items() if name not in own}


def of_ranks(folder, count, recipe, pairs, steps):
    """What each of so many ranks ends with; they take one pair each in every step."""

    def work(group):
        order = Order(0, len(pairs.source), 1, group.rank.number, count)
        file = folder / str(group.rank.number)
        torch.save(weights_after(group, recipe, pairs, order, steps), file)

    Ranks(folder / "ranks", count, work).done()
    first, *others = (torch.load(folder / str(rank)) for rank in range(count))
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)
    return first


def largest_difference(recipe, one, other):
    start = step_of(recipe).method.state_dict()
    moved = [(one[name] - start[name]).abs().max() for name in one if name.endswith("weight")]
    assert min(moved) > 1e-4
    return max((one[name] - values).abs().max() for name, values in other.items())


@pytest.mark.parametrize(
    ("text", "norm"),
    [
        (PIX2PIX, "batch"),
        (STEADIED, "instance"),
        pytest.param(PIX2PIX, "instance", marks=pytest.mark.thorough),
        pytest.param(CYCLEGAN, "batch", marks=pytest.mark.soak),
        pytest.param(CYCLEGAN, "instance", marks=pytest.mark.thorough),
    ],
)
def test_two_ranks_with_one_pair_each_are_one_with_two(tmp_path, text, norm):
    recipe = recipe_of(text, norm, "train.sync_batch_norm=true")
    pairs = pairs_of(recipe, 2)
    both = of_ranks(tmp_path, 2, recipe, pairs, 10)
    whole = weights_after(alone(), recipe, pairs, Order(0, 2, 2), 10)
    assert largest_difference(recipe, both, whole) < 1e-5


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(3, marks=pytest.mark.thorough),
        pytest.param(4, marks=pytest.mark.soak),
    ],
)
def test_ten_pairs_on_ranks_that_do_not_divide_them_are_each_seen_once(tmp_path, count):
    recipe = recipe_of(PIX2PIX, "batch", "train.sync_batch_norm=true", "train.ema=0.9")
    pairs = pairs_of(recipe, 10)
    steps = 2 * -(-10 // count)  # two epochs, whose last steps have pairs for some ranks only
    each = of_ranks(tmp_path, count, recipe, pairs, steps)
    whole = weights_after(alone(), recipe, pairs, Order(0, 10, count), steps)
    assert largest_difference(recipe, each, whole) < 1e-5


@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.thorough)])
def test_ranks_with_fewer_parts_of_a_step_keep_time_with_the_others(tmp_path, ranks):
    settings = ("train.sync_batch_norm=true", "train.accumulate=2", "train.clip_norm=0.1")
    recipe = recipe_of(PIX2PIX, "batch", *settings, "train.ema=0.9")
    pairs = pairs_of(recipe, 2 * ranks + 1)

    def work(group):
        order = Order(0, 2 * ranks + 1, 2, group.rank.number, ranks)
        weights = weights_after(group, recipe, pairs, order, 4)
        torch.save(weights, tmp_path / str(group.rank.number))

    Ranks(tmp_path / "ranks", ranks, work).done()
    first, *others = (torch.load(tmp_path / str(rank)) for rank in range(ranks))
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("norm", ["instance", pytest.param("none", marks=pytest.mark.thorough)])
def test_parts_on_two_ranks_are_those_of_one(tmp_path, norm):
    settings = ("train.clip_norm=0.1", "train.ema=0.9", "train.accumulate=2")
    pairs = pairs_of(recipe_of(PIX2PIX, norm), 11)  # 8 and 3: in 2 + 2 parts, and in 2 + 0

    def work(group):
        recipe = recipe_of(PIX2PIX, norm, *settings, "train.batch_size=2")
        order = Order(0, 11, 4, group.rank.number, 2)
        weights = weights_after(group, recipe, pairs, order, 4)
        torch.save(weights, tmp_path / str(group.rank.number))

    Ranks(tmp_path / "ranks", 2, work).done()
    recipe = recipe_of(PIX2PIX, norm, *settings, "train.batch_size=4")
    whole = weights_after(alone(), recipe, pairs, Order(0, 11, 8), 4)
    assert largest_difference(recipe, torch.load(tmp_path / "0"), whole) < 1e-5


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 16])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("skipped", [0, 7])
def test_every_pair_of_an_epoch_is_seen_by_one_rank(ranks, size, skipped):
    orders = [Order(5, 10, size, rank, ranks) for rank in range(ranks)]
    order = [index for _, index in Order(5, 10, 10).together(3, 0)][skipped:]
    steps = orders[0].steps(skipped)
    seen = [list(one.of_epoch(3, 0, skipped)) for one in orders]
    assert {len(own) for own in seen} == {steps}
    counted = [key for owns in zip(*seen, strict=True) for o in owns if o.weight for key in o.keys]
    assert counted == [(3, index) for index in order]
    for number, owns in enumerate(zip(*seen, strict=True)):
        assert sum(own.weight for own in owns) == pytest.approx(ranks)
        assert all(own.keys for own in owns)
        together = orders[0].together(3, number, skipped)
        assert [key for own in owns if own.weight for key in own.keys] == together
        shares = [len(own.keys) if own.weight else 0 for own in owns]
        assert [own.weight for own in owns] == [s * ranks / len(together) for s in shares]
    walked = list(islice(orders[-1].own(3, 0, skipped), steps + 1))
    assert walked[:-1] == seen[-1]
    assert walked[-1].keys[0][0] == 4
    weights = list(islice(orders[-1].weights(0, skipped), steps + 1))
    assert weights == [own.weight for own in walked]
