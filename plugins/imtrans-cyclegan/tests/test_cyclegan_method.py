"""The method and its image pool, by themselves."""

from importlib.metadata import entry_points

import pytest

pytest.importorskip(
    "imtrans_cyclegan", reason="not installed: pip install -e plugins/imtrans-cyclegan"
)

import torch
from imtrans_cyclegan import ImagePool

from imtrans.api.advice import LONG
from imtrans.api.errors import ImtransError
from imtrans.api.method import Batch
from imtrans.recipe.catalog import catalog, collect
from imtrans.recipe.reading import read
from imtrans.task import Task
from imtrans.training.step.engine import plain
from imtrans.training.step.step import Step

CPU = torch.device("cpu")


def step_of(tiny_file, *overrides):
    recipe = read(tiny_file, overrides, catalog())
    return Step(Task(recipe, catalog()).method(CPU), plain(CPU), recipe.train)


def batch(channels=(3, 3), count=1):
    torch.manual_seed(1)
    return Batch(*(torch.rand(count, number, 32, 32) * 2 - 1 for number in channels))


def weights(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def test_it_comes_from_its_own_distribution():
    assert catalog().methods["cyclegan"].plugin.distribution == "imtrans-cyclegan"


def test_without_the_plugin_a_recipe_says_what_to_install(tiny_file):
    core = [point for point in entry_points(group="imtrans") if point.dist.name == "imtrans"]
    with pytest.raises(ImtransError, match="pip install imtrans-cyclegan"):
        read(tiny_file, catalog=collect(core))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("method.cycle=-1.0", "method.cycle: -1.0 is not greater than or equal to 0"),
        ("method.pool=5", "method: no key 'pool'; did you mean 'pool_size'?"),
        ("loss=[{name='l1'}]", "loss: the method 'cyclegan' makes no use of it; remove it"),
    ],
)
def test_what_it_has_no_use_for_is_refused_by_name(tiny_file, override, said):
    with pytest.raises(ImtransError) as refused:
        read(tiny_file, [override], catalog())
    assert said in str(refused.value)


def test_identity_needs_channels_that_are_equal(tiny_file):
    with pytest.raises(ImtransError, match="the data have 1 and 3. set method.identity = 0"):
        step_of(tiny_file, "data.source.channels=1")


def test_a_derived_source_which_cannot_be_translated_to_is_refused(tiny_file):
    with pytest.raises(ImtransError, match="translates back too, .* leave data.derive out"):
        step_of(tiny_file, "data.derive=edges", "data.layout=photos", "method.identity=0.0")


def test_sides_may_differ_in_channels_without_identity(tiny_file):
    step = step_of(tiny_file, "data.source.channels=1", "method.identity=0.0")
    losses = step(batch((1, 3)))
    assert list(losses) == ["g", "g_back", "cycle", "cycle_back", "d", "d_back"]
    assert all(loss.isfinite() for loss in losses.values())
    shapes = [tuple(image.shape[1:]) for image in step.method(batch((1, 3)))]
    assert shapes == [(3, 32, 32), (1, 32, 32), (1, 32, 32), (3, 32, 32)]


def test_each_phase_moves_its_networks_and_no_other(tiny_file):
    step = step_of(tiny_file)
    pairs = {"generators": "generator", "discriminators": "discriminator"}
    for phase in step.phases:
        before = {name: weights(module) for name, module in step.method.networks().items()}
        made = step.make(batch())
        with step.only(phase):
            step.optimizers[phase.name].descend(step.loss(phase, batch(), made)[0])
        moved = {
            name
            for name, module in step.method.networks().items()
            if not all(map(torch.equal, before[name], weights(module)))
        }
        assert moved == {pairs[phase.name], f"{pairs[phase.name]}_back"}


def test_the_discriminators_see_the_pool(tiny_file):
    plain_step, pooled = step_of(tiny_file), step_of(tiny_file)
    for pool in (pooled.method.pool, pooled.method.pool_back):
        pool.forward = torch.zeros_like  # not what was made just now
    one, other = plain_step(batch()), pooled(batch())
    assert {name for name in one if not torch.equal(one[name], other[name])} == {"d", "d_back"}


def test_a_translator_is_built_alone_with_the_channels_of_its_direction(tiny_file):
    overrides = ["data.source.channels=1", "method.identity=0.0"]
    task = Task(read(tiny_file, overrides, catalog()), catalog())
    assert task.translator("generator")(torch.zeros(1, 1, 32, 32)).shape == (1, 3, 32, 32)
    assert task.translator("generator_back")(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 32, 32)


def test_a_discriminator_that_has_won_is_reported_by_name(tiny_file):
    method, said = step_of(tiny_file).method, []
    for _ in range(2 * LONG):
        said += method.advice({"d": 0.2, "d_back": 0.001})
    (line,) = said
    assert "'d_back'" in line


# --- the image pool ---


def images(start, count):
    """Images that say their number."""
    return torch.arange(start, start + count).float().view(-1, 1, 1, 1).expand(-1, 2, 4, 4)


def published(pool, size, fakes, swaps, places):
    """What the published pool does with the same draws, image by image."""
    returned = []
    for fake, swap, place in zip(fakes, swaps, places, strict=True):
        if len(pool) < size:
            pool.append(fake)
            returned.append(fake)
        elif swap:
            returned.append(pool[place])
            pool[place] = fake
        else:
            returned.append(fake)
    return torch.stack(returned)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_pool_exchanges_images_as_the_published_one_does(count):
    pool, expected = ImagePool(5, 2, (4, 4)), []
    torch.manual_seed(4)
    for start in range(0, 60, count):
        fakes, state = images(start, count), torch.get_rng_state()
        found = pool(fakes)
        torch.set_rng_state(state)
        swaps, places = torch.rand(count) < 0.5, torch.randint(5, (count,))
        assert torch.equal(found, published(expected, 5, fakes, swaps, places))
        assert torch.equal(pool.images[: len(expected)], torch.stack(expected))
    assert int(pool.count) == 5


def test_a_full_pool_returns_stored_images_half_of_the_time():
    pool = ImagePool(10, 2, (4, 4))
    torch.manual_seed(0)
    assert torch.equal(pool(images(0, 10)), images(0, 10))
    returned = torch.cat([pool(images(number, 1)) for number in range(10, 510)])
    new = sum(float(image[0, 0, 0]) == n for n, image in enumerate(returned, start=10))
    assert 210 < new < 290
    assert pool.images[:, 0, 0, 0].min() > 300  # no image stays for long


def test_a_pool_of_no_images_returns_what_it_is_given():
    fakes = images(0, 3)
    assert ImagePool(0, 2, (4, 4))(fakes) is fakes


def test_the_pool_never_asks_the_device_for_a_value():
    """On the device `meta` there are no values; what asked for one would fail."""
    pool = ImagePool(2, 3, (8, 8)).to("meta")
    for _ in range(4):
        assert pool(torch.empty(3, 3, 8, 8, device="meta")).shape == (3, 3, 8, 8)


def test_the_pool_is_restored_with_its_buffers():
    one, other = ImagePool(3, 2, (4, 4)), ImagePool(3, 2, (4, 4))
    one(images(0, 5))
    other.load_state_dict(one.state_dict())
    torch.manual_seed(2)
    expected = one(images(5, 4))
    torch.manual_seed(2)
    assert torch.equal(other(images(5, 4)), expected)
    assert torch.equal(one.images, other.images)
