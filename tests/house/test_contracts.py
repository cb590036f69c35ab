"""What every component promises, over the whole catalog.

An installed plugin's components are tested by existing.
"""

import math
from random import Random

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot

from imtrans.api.errors import ImtransError
from imtrans.api.weights import MissingWeights
from imtrans.recipe.catalog import catalog
from imtrans.translation.padding import SMALLEST

CATALOG = catalog()
GENERATORS = CATALOG.generators.names()
DISCRIMINATORS = CATALOG.discriminators.names()
SMALL = {"width": 4}


def small(component, *channels, **options):
    """The component, narrow where it has a width."""
    narrow = SMALL if "width" in component.options else {}
    return component.build(*channels, **(narrow | options))


@pytest.fixture(params=GENERATORS)
def generator(request):
    torch.manual_seed(0)
    return small(CATALOG.generators[request.param], 3, 2)


@pytest.fixture(params=DISCRIMINATORS)
def discriminator(request):
    torch.manual_seed(0)
    return small(CATALOG.discriminators[request.param], 2, 3)


def source_for(generator, channels=3, count=2):
    side = smallest_side(generator)
    return torch.rand(count, channels, side, side + generator.stride) * 2 - 1


def smallest_side(generator):
    return -(-SMALLEST // generator.stride) * generator.stride


@pytest.fixture
def image_pair():
    return torch.rand(2, 2, 128, 128) * 2 - 1, torch.rand(2, 3, 128, 128) * 2 - 1


def test_a_generator_keeps_the_size_and_stays_in_range(generator):
    source = source_for(generator)
    fake = generator(source)
    assert fake.shape == (2, 2, *source.shape[-2:])
    assert fake.min() >= -1
    assert fake.max() <= 1


def test_a_generator_trains_on_a_single_image_of_its_smallest_size(generator):
    side = smallest_side(generator)
    assert torch.isfinite(generator(torch.rand(1, 3, side, side))).all()


def test_a_gradient_reaches_every_weight_of_a_generator(generator):
    generator(source_for(generator)).square().mean().backward()
    idle = [n for n, p in generator.named_parameters() if p.grad is None or not p.grad.any()]
    # A bias before a norm that subtracts the mean has no effect, which is as it should be.
    assert not [name for name in idle if name.endswith("weight")]


def test_a_generator_is_the_same_for_the_same_seed(generator):
    source = source_for(generator)
    outputs = []
    for _ in range(2):
        torch.manual_seed(1)
        outputs.append(generator(source))
    assert torch.equal(*outputs)


@pytest.mark.parametrize("name", GENERATORS)
def test_the_weights_of_a_generator_come_from_the_seed(name):
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(small(CATALOG.generators[name], 3, 3).state_dict())
    first, second, other = states
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_comes_back_from_its_state(name):
    torch.manual_seed(0)
    one, other = (small(CATALOG.generators[name], 3, 3).eval() for _ in range(2))
    other.load_state_dict(one.state_dict())
    source = source_for(one)
    with torch.no_grad():
        assert torch.equal(one(source), other(source))


def test_a_generator_computes_in_bf16(generator):
    source = source_for(generator)
    with torch.autocast("cpu", torch.bfloat16):
        fake = generator(source)
    assert torch.isfinite(fake.float()).all()


def test_a_wrong_size_is_told_with_the_sizes_that_fit(generator):
    stride = generator.stride
    if stride == 1:
        pytest.skip("takes any size")
    wrong = torch.rand(1, 3, stride * 2, stride * 2 + 1)
    right = f"{stride * 2} x {stride * 2} or {stride * 3} x {stride * 2}"
    with pytest.raises(ValueError, match=right):
        generator(wrong)


def test_a_discriminator_gives_logits_on_both_sides_of_zero(discriminator, image_pair):
    logits = discriminator(*image_pair)
    assert logits.dim() == 4
    assert logits.shape[:2] == (2, 1)
    assert not isinstance(list(discriminator.modules())[-1], nn.Sigmoid)
    assert discriminator.receptive_field >= 1
    # Weights moved either way move the logits past 0 and 1: no sigmoid holds them.
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.mul_(50)
    assert discriminator(*image_pair).abs().max() > 1


def test_a_gradient_flows_through_a_discriminator_into_the_image(discriminator, image_pair):
    source, image = image_pair
    image.requires_grad_(True)
    discriminator(source, image).square().mean().backward()
    assert image.grad.abs().sum() > 0
    assert all(p.grad is not None for p in discriminator.parameters())


def test_a_discriminator_is_the_same_for_the_same_seed_and_comes_back(discriminator, image_pair):
    discriminator.eval()
    first = discriminator(*image_pair)
    state = {key: value.clone() for key, value in discriminator.state_dict().items()}
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.add_(1)
    discriminator.load_state_dict(state)
    assert torch.equal(discriminator(*image_pair), first)


def test_a_discriminator_computes_in_bf16(discriminator, image_pair):
    with torch.autocast("cpu", torch.bfloat16):
        logits = discriminator(*image_pair)
    assert torch.isfinite(logits.float()).all()


@pytest.mark.parametrize("name", CATALOG.adversarial.names())
def test_a_fooled_discriminator_pays_and_the_generator_gains(name):
    adversarial = CATALOG.adversarial[name].build()
    low, high = torch.full((2, 1, 3, 3), -2.0), torch.full((2, 1, 3, 3), 3.0)
    fooled = adversarial.discriminator_loss(real_logits=low, fake_logits=high)
    right = adversarial.discriminator_loss(real_logits=high, fake_logits=low)
    assert fooled > right
    assert adversarial.generator_loss(high * 0 + 1) < adversarial.generator_loss(low)
    assert fooled.dim() == 0


@pytest.mark.parametrize("name", CATALOG.adversarial.names())
def test_an_adversarial_loss_survives_extreme_logits(name):
    adversarial = CATALOG.adversarial[name].build()
    extreme = torch.tensor([[[[-1e4, 1e4]]]], requires_grad=True)
    loss = adversarial.discriminator_loss(extreme, extreme) + adversarial.generator_loss(extreme)
    loss.backward()
    assert math.isfinite(loss.item())
    assert torch.isfinite(extreme.grad).all()


def loss_and_target(name, count):
    """A loss, and a target (count, 3, 64, 64) as it is given: one-hot to losses of classes."""
    try:
        loss = CATALOG.losses[name].build()
    except MissingWeights as missing:
        pytest.skip(str(missing))
    target = torch.rand(count, 3, 64, 64) * 2 - 1
    if getattr(loss, "of_classes", False):
        target = one_hot(target.argmax(1), 3).movedim(-1, 1) * 2.0 - 1
    return loss, target


@pytest.mark.parametrize("name", CATALOG.losses.names())
def test_a_loss_is_smallest_when_equal_and_leads_there(name):
    torch.manual_seed(0)
    loss, target = loss_and_target(name, 2)
    fake = (target + 0.1 * torch.randn_like(target)).clamp(-1, 1).requires_grad_(True)
    far, equal = loss(fake, target), loss(target, target)
    assert far.dim() == 0
    assert far > equal
    far.backward()
    assert loss(fake.detach() - 10 * fake.grad.sign() * 0.005, target) < far


@pytest.mark.parametrize("name", CATALOG.losses.names())
def test_the_gradient_of_a_loss_is_finite_where_fake_equals_target(name):
    loss, target = loss_and_target(name, 1)
    fake = target.clone().requires_grad_(True)
    loss(fake, target).backward()
    assert torch.isfinite(fake.grad).all()


@pytest.fixture(params=CATALOG.derivations.names())
def derivation(request):
    return CATALOG.derivations[request.param].build()


def photograph(seed=0):
    return torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(seed))


def test_a_derivation_gives_what_the_networks_see(derivation):
    photo = photograph()
    source, target = derivation.derive(photo, Random(1)), derivation.target(photo)
    assert source.shape == (derivation.source_channels, 64, 96)
    assert target.shape == (derivation.target_channels, 64, 96)
    for seen in (source, target):
        assert seen.dtype == torch.float32
        assert seen.abs().max() <= 1


def test_a_derivation_is_a_function_of_the_photograph_and_the_draws(derivation):
    photo = photograph()
    before = photo.clone()
    torch.manual_seed(5)
    one = derivation.derive(photo, Random(1))
    torch.manual_seed(6)
    assert torch.equal(one, derivation.derive(photo, Random(1)))
    assert torch.equal(photo, before)


def test_the_target_of_a_derivation_stands_for_the_photograph(derivation):
    photo = photograph()
    again = derivation.compose(derivation.target(photo), derivation.derive(photo, Random(1)))
    assert again.shape == photo.shape
    assert (again - photo).abs().max() < 1 / 255


def test_a_derivation_takes_what_a_user_has(derivation):
    picture = torch.cat([photograph(), (photograph(1)[:1] > 0.2).float()])
    source = derivation.given(picture)
    assert source.shape[0] == derivation.source_channels
    assert source.abs().max() <= 1


@pytest.mark.parametrize("name", CATALOG.layouts.names())
def test_a_layout_tells_what_is_missing(name, tmp_path):
    layout = CATALOG.layouts[name].build(str(tmp_path))
    assert not layout.has("train")
    with pytest.raises(ImtransError, match=str(tmp_path)):
        layout.pairs("train")


def test_every_component_is_documented():
    undocumented = [
        f"{registry.role} {component.name}"
        for registry in CATALOG.registries.values()
        for component in registry
        if component.documentation == "not documented"
    ]
    assert not undocumented
