"""The plugin as a user meets it: through the catalog, a recipe and a training step."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest.importorskip(
    "imtrans_charbonnier", reason="not installed: pip install -e plugins/imtrans-charbonnier"
)

import torch

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Loss
from imtrans.api.method import Batch
from imtrans.recipe.catalog import catalog, collect
from imtrans.recipe.reading import read
from imtrans.task import Task
from imtrans.training.step.engine import plain
from imtrans.training.step.step import Step

CPU = torch.device("cpu")
RECIPE = Path(__file__).parents[1] / "charbonnier_facades.toml"


def charbonnier(**options: float) -> Loss:
    return catalog().losses["charbonnier"].build(**options)


def test_it_comes_from_its_own_distribution():
    assert catalog().losses["charbonnier"].plugin.distribution == "imtrans-charbonnier"


@pytest.mark.parametrize("epsilon", [1e-6, 1e-3, 0.1, 1.0])
def test_equal_images_cost_nothing(epsilon):
    image = torch.rand(2, 3, 8, 8) * 2 - 1
    assert charbonnier(epsilon=epsilon)(image, image) == 0


def test_it_is_the_published_formula_less_epsilon():
    fake, target = torch.rand(2, 2, 3, 8, 8, dtype=torch.float64) * 2 - 1
    published = ((fake - target) ** 2 + 0.1**2).sqrt().mean()
    torch.testing.assert_close(charbonnier(epsilon=0.1)(fake, target), published - 0.1)


def test_large_differences_count_as_l1_and_small_ones_as_squares():
    far, near, target = torch.tensor([1.5]), torch.tensor([1e-5]), torch.zeros(1)
    loss = charbonnier(epsilon=1e-3)
    assert loss(far, target).item() == pytest.approx(1.5, abs=1e-3)
    assert loss(near, target).item() == pytest.approx(1e-5**2 / (2 * 1e-3), rel=0.1)


def test_the_result_is_a_scalar_that_does_not_mind_the_order():
    fake, target = torch.rand(2, 2, 3, 8, 8) * 2 - 1
    loss = charbonnier()(fake, target)
    assert loss.shape == ()
    assert loss == charbonnier()(target, fake)


@pytest.mark.parametrize("epsilon", [1e-3, 1e-30])
def test_where_the_images_are_equal_the_gradient_is_zero(epsilon):
    fake = torch.zeros(1, 3, 4, 4, requires_grad=True)
    charbonnier(epsilon=epsilon)(fake, torch.zeros(1, 3, 4, 4)).backward()
    assert torch.equal(fake.grad, torch.zeros(1, 3, 4, 4))


def test_the_gradient_is_that_of_the_value():
    fake, target = torch.randn(2, 1, 3, 2, 2, dtype=torch.float64)
    loss = charbonnier(epsilon=0.1)
    assert torch.autograd.gradcheck(lambda image: loss(image, target), fake.requires_grad_())


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("loss.charbonnier.epsilon=-1", "loss.0.epsilon: -1 is not greater than 0"),
        ("loss.charbonnier.epsilon=0", "loss.0.epsilon: 0 is not greater than 0"),
        ("loss.charbonnier.epsilon='small'", "loss.0.epsilon: 'small' is not a number"),
        ("loss.charbonnier.epsillon=0.1", "no key 'epsillon'; did you mean 'epsilon'?"),
    ],
)
def test_a_wrong_option_is_refused_by_name(override, said):
    with pytest.raises(ImtransError) as refused:
        read(RECIPE, [override], catalog())
    assert said in str(refused.value)


def test_its_recipe_trains():
    narrow = ["generator.width=4", "discriminator.width=4"]
    recipe = read(RECIPE, narrow, catalog())
    method = Task(recipe, catalog()).method(CPU)
    step, batch = (
        Step(method, plain(CPU), recipe.train),
        Batch(*torch.rand(2, 1, 3, 256, 256) * 2 - 1),
    )
    values = [float(step(batch)["charbonnier"]) for _ in range(8)]
    assert values[-1] < values[0]


def test_without_the_plugin_its_recipe_says_what_to_install():
    core = [point for point in entry_points(group="imtrans") if point.dist.name == "imtrans"]
    with pytest.raises(ImtransError, match="pip install imtrans-charbonnier"):
        read(RECIPE, catalog=collect(core))
