"""What steadies the game, each computed a second time from its paper: hinge, spectral norm, R1,
feature matching."""

import numpy as np
import pytest
import torch
from torch import nn

from imtrans.api.errors import ImtransError
from imtrans.api.features import feature_matching
from imtrans.api.layers import init_weights, norm_layer
from imtrans.api.r1 import r1_penalty
from imtrans.api.spectral_norm import SpectralConv2d, SpectralConvTranspose2d, SpectralLinear
from imtrans.recipe.catalog import catalog

DISCRIMINATORS = catalog().discriminators


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.float64) * 2 - 1


# --- hinge ---


def test_hinge_is_the_papers_halved():
    loss = catalog().adversarial["hinge"].build()
    real, fake = noise(2, 1, 5, 4) * 3, noise(2, 1, 5, 4, seed=1) * 3
    x, y = real.numpy(), fake.numpy()
    # Miyato et al., equations 16 and 17, in their signs: what the discriminator maximises.
    value = np.minimum(0, -1 + x).mean() + np.minimum(0, -1 - y).mean()
    assert float(loss.discriminator_loss(real, fake)) == pytest.approx(-value / 2, rel=1e-12)
    assert float(loss.generator_loss(fake)) == pytest.approx(-y.mean(), rel=1e-12)


# --- spectral norm ---


def layers():
    torch.manual_seed(0)
    return [
        (SpectralConv2d(3, 8, 4, 2, 1), 0, (2, 3, 8, 8)),
        (SpectralConvTranspose2d(8, 3, 4, 2, 1), 1, (2, 8, 4, 4)),
        (SpectralLinear(6, 5), 0, (2, 6)),
    ]


@pytest.mark.parametrize("number", range(3))
def test_a_spectral_layer_takes_the_steps_of_the_papers_algorithm(number):
    layer, axis, shape = layers()[number]
    layer.double()
    weight = np.moveaxis(layer.weight.detach().numpy(), axis, 0)
    matrix, u = weight.reshape(weight.shape[0], -1), layer.u.numpy().copy()
    for _ in range(3):  # algorithm 1
        v = matrix.T @ u / np.linalg.norm(matrix.T @ u)
        u = matrix @ v / np.linalg.norm(matrix @ v)
        found = layer.normalised().detach().numpy()
        np.testing.assert_allclose(layer.u.numpy(), u, rtol=1e-10)
        np.testing.assert_allclose(found, layer.weight.detach().numpy() / (u @ matrix @ v))


@pytest.mark.parametrize("number", range(3))
def test_a_spectral_layer_computes_with_the_normalised_weight(number):
    layer, _, shape = layers()[number]
    plain = {0: nn.Conv2d(3, 8, 4, 2, 1), 1: nn.ConvTranspose2d(8, 3, 4, 2, 1), 2: nn.Linear(6, 5)}
    other, image = plain[number], noise(*shape).float()
    layer.eval()
    with torch.no_grad():
        other.weight.copy_(layer.normalised())
        other.bias.copy_(layer.bias)
        assert torch.equal(layer(image), other(image))


@pytest.mark.parametrize("number", range(3))
def test_a_new_spectral_layer_magnifies_nothing(number):
    layer, axis, shape = layers()[number]
    init_weights(layer)
    for _ in range(60):
        layer(noise(*shape).float())
    weight = layer.normalised().detach().transpose(0, axis).flatten(1)
    assert float(torch.linalg.svdvals(weight)[0]) == pytest.approx(1, rel=1e-3)


def test_the_gradient_through_a_spectral_layer_is_that_of_the_singular_value():
    layer = SpectralLinear(6, 5, bias=False).double()
    image = noise(3, 6)
    for _ in range(500):
        layer(image)
    layer(image).square().sum().backward()
    weight = layer.weight.detach().clone().requires_grad_(True)
    exact = weight / torch.linalg.svdvals(weight)[0]  # whose derivative torch knows
    (image @ exact.t()).square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, weight.grad, rtol=1e-3, atol=1e-5)


def test_the_norm_is_exact_in_bf16_and_stays_where_the_layer_does_not_learn():
    layer, _, shape = layers()[0]
    before = layer.u.clone()
    layer.requires_grad_(False)
    with torch.autocast("cpu", torch.bfloat16):
        frozen = layer.normalised()
    with torch.no_grad():
        layer.requires_grad_(True)(noise(*shape).float())
    layer.eval()(noise(*shape).float())
    assert torch.equal(layer.u, before)
    assert torch.equal(frozen, layer.normalised())
    with torch.autocast("cpu", torch.bfloat16):
        layer.train()(noise(*shape).float())
    assert layer.u.dtype is torch.float32
    assert not torch.equal(layer.u, before)


@pytest.mark.parametrize("name", ["pixel", "patch_16", "image"])
def test_a_discriminator_keeps_its_names_with_spectral_norm(name):
    plain, spectral = (
        DISCRIMINATORS[name].build(3, 3, width=4, spectral_norm=on) for on in (False, True)
    )
    assert spectral.state_dict().keys() - plain.state_dict().keys() == {
        f"{n}.u" for n, m in plain.named_modules() if isinstance(m, nn.Conv2d)
    }
    assert plain.state_dict().keys() <= spectral.state_dict().keys()


# --- feature matching ---


def test_feature_matching_is_equation_4_and_the_mean_over_scales():
    shapes = [(2, 3, 8, 8), (2, 5, 4, 4)], [(2, 3, 4, 4), (2, 5, 2, 2)]
    fake, real = (
        [(noise(2, 1, 3, 3), [noise(*shape, seed=seed) for shape in scale]) for scale in shapes]
        for seed in (1, 2)
    )
    total = 0.0
    for (_, ours), (_, theirs) in zip(fake, real, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            elements = one[0].numel()  # N_i
            distances = np.abs(one.numpy() - other.numpy()).sum((1, 2, 3)) / elements
            total += distances.mean()
    assert float(feature_matching(fake, real)) == pytest.approx(total / 2, rel=1e-6)


@pytest.mark.parametrize(("name", "count"), [("pixel", 2), ("patch_16", 2), ("patch_286", 6)])
def test_features_are_what_leads_to_the_logits(name, count):
    torch.manual_seed(0)
    offering = DISCRIMINATORS[name].build(3, 3, width=4, features=True)
    plain = DISCRIMINATORS[name].build(3, 3, width=4)
    plain.load_state_dict(offering.state_dict())  # the same names
    pair = noise(2, 1, 3, 96, 96).float()
    ((logits, features),) = offering(*pair)
    assert torch.equal(logits, plain(*pair))
    assert len(features) == count
    assert torch.equal(offering.head(features[-1]), logits)


def test_a_discriminator_without_features_is_told_what_to_set():
    with pytest.raises(ImtransError, match=r"set discriminator\.features = true"):
        feature_matching(noise(1, 1, 3, 3), noise(1, 1, 3, 3))


# --- R1 ---


class Judging(nn.Module):
    """A small smooth discriminator with a norm."""

    def __init__(self, norm="none", scales=1):
        super().__init__()
        self.scales = scales
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.norm, self.act = norm_layer(norm)(4), nn.Softplus()
        self.second = nn.Conv2d(4, 4, 3, stride=2, padding=1)
        self.head = nn.Conv2d(4, 1, 2)

    def forward(self, source, image):
        x = self.act(self.norm(self.first(torch.cat([source, image], 1))))
        logits = self.head(self.act(self.norm(self.second(x))))
        return logits if self.scales == 1 else [(logits, [x]), (logits * 3, [])]


def judging(norm="none", scales=1):
    torch.manual_seed(0)
    return Judging(norm, scales).double()


def differences(function, at, step=1e-5):
    """The gradient of a function of one tensor, by central differences."""
    found = torch.zeros_like(at)
    for index in np.ndindex(*at.shape):
        moved = [at.clone(), at.clone()]
        moved[0][index] += step
        moved[1][index] -= step
        found[index] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return found


@pytest.mark.parametrize("scales", [1, 2])
@pytest.mark.parametrize("side", [4, 6])  # 1 and 4 logits
@torch.no_grad()
def test_r1_is_equation_9_by_differences(scales, side):
    """The second scale's logits are three times the first's."""
    network, (source, image) = judging(scales=scales), noise(2, 3, 1, side, side)

    def logits(one, at):
        found = network(source[one : one + 1], at[None])
        return found if scales == 1 else found[0][0]

    squares, patches = [], logits(0, image[0]).numel()
    assert patches == {4: 1, 6: 4}[side]
    for one in range(3):
        gradient = differences(lambda at, one=one: float(logits(one, at).sum()), image[one])
        squares.append(float(gradient.square().sum()) / patches)
    expected = np.mean(squares) * (1 if scales == 1 else (1 + 9) / 2)
    assert float(r1_penalty(network, source, image)) == pytest.approx(expected, rel=1e-6)


def test_r1_is_about_the_same_of_larger_images():
    network, image = judging(), noise(2, 1, 48, 48)
    part = image[..., :24, :24]
    whole, of_part = (float(r1_penalty(network, x, x).detach()) for x in (image, part))
    assert whole == pytest.approx(of_part, rel=0.3)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("norm", "number"),
    [
        ("none", 1),
        ("instance", 1),
        ("batch", 2),
        *(
            pytest.param(*each, marks=pytest.mark.thorough)
            for each in (("none", 2), ("instance", 2), ("batch", 1))
        ),
    ],
)
def test_what_r1_teaches_a_discriminator_is_right_in_every_layout(norm, last, number):
    """Derivatives of the gradient, through norms that have backward passes of their own."""
    network, (source, image) = judging(norm), noise(2, number, 1, 6, 6)
    if norm == "batch":
        network.norm.dense = True
    layout = torch.channels_last if last else torch.contiguous_format
    network.to(memory_format=layout)
    source, image = (x.contiguous(memory_format=layout) for x in (source, image))
    r1_penalty(network, source, image).backward()
    weight = network.second.weight

    def penalty(at):
        with torch.no_grad():
            kept = weight.clone()
            weight.copy_(at)
        value = float(r1_penalty(network, source, image).detach())
        with torch.no_grad():
            weight.copy_(kept)
        return value

    expected = differences(penalty, weight.detach().clone())
    torch.testing.assert_close(weight.grad, expected, rtol=1e-4, atol=1e-9)


def test_r1_is_computed_in_fp32_within_autocast():
    network, (source, image) = judging().float(), noise(2, 2, 1, 16, 16).float()
    exact = r1_penalty(network, source, image)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(r1_penalty(network, source, image), exact)
