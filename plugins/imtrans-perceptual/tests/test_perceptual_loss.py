"""The losses against the formulas of their papers, written out once more."""

import pytest

pytest.importorskip(
    "imtrans_perceptual", reason="not installed: pip install -e plugins/imtrans-perceptual"
)

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from vgg_files import VGG19, random_weights

from imtrans.api.errors import ImtransError
from imtrans.recipe.catalog import catalog

FEW = {"layers": ["relu1_1", "relu2_1"], "layer_weights": [1 / 32, 1 / 16]}


def build(name, weights, **options):
    return catalog().losses[name].build(weights=str(weights), **options)


def images(side=32, channels=3, count=2):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, count, channels, side, side, generator=generator) * 2 - 1


def photograph(image):
    """As ImageNet's are given to the networks."""
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
    return ((image + 1) / 2 - mean[:, None, None]) / deviation[:, None, None]


def convolved(x, state, index):
    return F.conv2d(
        x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1
    )


def test_they_come_from_their_own_distribution():
    for name in ("vgg16", "vgg19"):
        assert catalog().losses[name].plugin.distribution == "imtrans-perceptual"


def test_vgg16_is_the_mean_squared_distance_at_relu2_2(weights):
    state, seen = load_file(weights), []
    for image in images():
        one = F.relu(convolved(photograph(image), state, 0))
        one = F.max_pool2d(F.relu(convolved(one, state, 2)), 2)
        seen.append(F.relu(convolved(F.relu(convolved(one, state, 5)), state, 7)))
    expected = (seen[0] - seen[1]).square().sum() / seen[0].numel()
    found = build("vgg16", weights)(*images())
    assert found.shape == ()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)


def test_vgg19_is_the_weighted_sum_of_absolute_distances(weights):
    state, sums = load_file(weights), []
    first, second = [], []
    for image in images():
        one = F.relu(convolved(photograph(image), state, 0))
        two = F.max_pool2d(F.relu(convolved(one, state, 2)), 2)
        first.append(one)
        second.append(F.relu(convolved(two, state, 5)))
    sums = [(fake - real).abs().mean() for fake, real in (first, second)]
    expected = sums[0] / 32 + sums[1] / 16
    torch.testing.assert_close(
        build("vgg19", weights, **FEW)(*images()), expected, rtol=1e-4, atol=0
    )


def test_layers_are_counted_as_in_the_papers(weights):
    """Deeper ones, in any order, and what is before a ReLU."""
    state = random_weights(VGG19)
    path = weights.with_name("deep.safetensors")
    save_file(state, path)
    x, found = photograph(images(16)[0]), {}
    for place, (index, _) in enumerate(VGG19):
        x = F.max_pool2d(x, 2) if place in (2, 4, 8) else x
        found[index] = convolved(x, state, index)
        x = F.relu(found[index])
    loss = build("vgg19", path, layers=["relu4_1", "conv3_4"], layer_weights=[1.0, 1.0])
    deep, middle = loss.trunk(photograph(images(16)[0]))
    torch.testing.assert_close(deep, x, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(middle, found[16], rtol=1e-4, atol=1e-4)


def test_the_layers_that_are_not_asked_for_are_not_built(weights):
    loss = build("vgg16", weights, layers=["relu1_2"])
    shapes = [tuple(parameter.shape) for parameter in loss.parameters()]
    assert shapes == [(64, 3, 3, 3), (64,), (64, 64, 3, 3), (64,)]


def test_published_networks_have_their_published_layers():
    """The indices in torchvision's files, up to the last layer."""
    from imtrans_perceptual import OF_VGG16, OF_VGG19
    from imtrans_perceptual.trunk import Trunk

    sixteen, nineteen = Trunk(OF_VGG16, ["relu5_3"]), Trunk(OF_VGG19, ["relu5_4"])
    indices = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert [*map(int, sixteen.features)] == indices
    indices = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    assert [*map(int, nineteen.features)] == indices
    assert sum(x.numel() for x in sixteen.parameters()) == 14_714_688
    assert sum(x.numel() for x in nineteen.parameters()) == 20_024_384


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_equal_images_cost_nothing_and_have_a_finite_gradient(name, weights):
    options = FEW if name == "vgg19" else {}
    fake = images()[0].requires_grad_(True)
    loss = build(name, weights, **options)(fake, fake.detach())
    loss.backward()
    assert loss == 0
    assert fake.grad.isfinite().all()


def test_the_gradient_leads_to_the_target_and_reaches_the_output_alone(weights):
    output, target = images()
    output.requires_grad_(True)
    target.requires_grad_(True)
    loss = build("vgg16", weights)
    far = loss(output, target)
    far.backward()
    assert target.grad is None
    assert all(parameter.grad is None for parameter in loss.parameters())
    assert loss(output - 0.01 * output.grad / output.grad.abs().mean(), target) < far


def test_grey_is_seen_as_rgb_of_three_equal_channels(weights):
    grey, loss = images(channels=1), build("vgg16", weights)
    torch.testing.assert_close(loss(*grey), loss(*grey.expand(-1, -1, 3, -1, -1)))


@pytest.mark.parametrize("channels", [2, 4, 13])
def test_other_channels_are_refused(channels, weights):
    with pytest.raises(
        ImtransError, match=f"^loss 'vgg16' looks at RGB .* have {channels} channel"
    ):
        build("vgg16", weights)(*images(channels=channels))


def test_an_image_of_which_a_layer_has_no_pixel_is_refused(weights):
    loss = build("vgg16", weights)
    assert loss(*images(2)) > 0
    with pytest.raises(ImtransError, match=r"of 1 x 1 px .* 'relu2_2': it needs 2 px or more"):
        loss(*images(1))


def test_the_memory_format_changes_nothing(weights):
    loss, (output, target) = build("vgg16", weights), images()
    last = (x.contiguous(memory_format=torch.channels_last) for x in (output, target))
    torch.testing.assert_close(loss(*last), loss(output, target), rtol=1e-4, atol=0)


def test_building_one_draws_no_random_number(weights):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    build("vgg16", weights)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_pth_file_and_a_safetensors_file_are_the_same(weights):
    one, other = build("vgg16", weights), build("vgg16", weights.with_suffix(".pth"))
    assert one(*images()) == other(*images())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": ["relu2_3"]}, "no layer 'relu2_3'; did you mean"),
        ({"layers": []}, "layers"),
        ({"layers": ["relu1_1", "relu1_1"]}, "a layer appears more than once"),
        ({"layers": ["relu1_1", "relu1_2"]}, "layers has 2 names and layer_weights 1 numbers"),
        ({"layer_weights": [0.0]}, "each has to be greater than 0"),
        ({"distance": "l3"}, "'l3' is not one of 'l1', 'l2'"),
        ({"sha256": "397923af"}, "sha256"),
    ],
)
def test_a_wrong_option_is_refused(options, said, weights):
    with pytest.raises(ValueError, match=said):
        build("vgg16", weights, **options)
