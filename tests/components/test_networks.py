"""Facts of the paper and of its published code: counts, init, receptive fields, where norms are."""

import numpy as np
import pytest
import torch
from torch import nn

from imtrans.api.layers import InstanceNorm, upsampling
from imtrans.recipe.catalog import catalog

GENERATORS, DISCRIMINATORS = catalog().generators, catalog().discriminators


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "batch", "instance"),
    [
        ("unet_256", 54_413_955, 54_409_603),
        ("unet_128", 41_828_995, 41_825_667),
        ("resnet_9", 11_383_427, 11_378_179),
        ("resnet_6", 7_841_411, 7_837_699),
    ],
)
def test_generators_have_the_published_numbers_of_parameters(name, batch, instance):
    build = GENERATORS[name].build
    with torch.device("meta"):  # nothing is drawn: counting is all
        assert count(build(3, 3)) == batch
        assert count(build(3, 3, norm="instance")) == instance


@pytest.mark.parametrize(
    ("name", "batch", "instance"),
    [
        ("pixel", 9_024, 8_897),
        ("patch_16", 139_585, 139_457),
        ("patch_70", 2_768_705, 2_767_809),
        ("patch_286", 11_159_361, 11_157_441),
        ("image", 11_159_361, 11_157_441),
    ],
)
def test_discriminators_have_the_published_numbers_of_parameters(name, batch, instance):
    build = DISCRIMINATORS[name].build
    assert count(build(3, 3)) == batch
    assert count(build(3, 3, norm="instance")) == instance


def test_colorization_has_its_own_channels():
    assert count(GENERATORS["unet_256"].build(1, 2)) == 54_409_858


def test_the_encoder_decoder_is_the_unet_without_skips():
    # The paper's Torch code counts 39,080,963, with the biases that it sets to zero at every step.
    network = GENERATORS["encoder_decoder"].build(3, 3)
    zeroed_biases = 64 + 128 + 256 + 512 * 5 + 512 * 4 + 256 + 128 + 64
    assert count(network) + zeroed_biases == 39_080_963


def measured_receptive_field(name, size):
    """The side of the square of input pixels that move one logit, by gradient."""
    network = DISCRIMINATORS[name].build(1, 1, width=4, norm="none", conditional=False)
    for parameter in network.parameters():
        nn.init.ones_(parameter)  # nothing may cancel
    image = torch.rand(1, 1, size, size, requires_grad=True)
    logits = network(image, image)
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    rows = image.grad[0, 0].abs().sum(dim=1).nonzero()
    return int(rows.max() - rows.min()) + 1


@pytest.mark.parametrize(
    ("name", "pixels", "size"),
    [("pixel", 1, 8), ("patch_16", 16, 64), ("patch_70", 70, 256), ("patch_286", 286, 1024)],
)
def test_one_logit_sees_as_many_pixels_as_the_name_says(name, pixels, size):
    assert DISCRIMINATORS[name].build(3, 3).receptive_field == pixels
    assert measured_receptive_field(name, size) == pixels


def test_a_bare_patch_takes_the_number_of_layers():
    network = DISCRIMINATORS["patch"].build(3, 3, layers=2)
    assert network.receptive_field == 34
    assert count(network) == 666_433


@pytest.mark.parametrize("size", [256, 320])
def test_image_judges_the_whole_image_once(size):
    network = DISCRIMINATORS["image"].build(3, 3, width=4)
    assert network(*torch.rand(2, 2, 3, size, size)).shape == (2, 1, 1, 1)


@pytest.mark.parametrize("name", ["unet_256", "resnet_9"])
def test_weights_start_as_in_the_paper(name):
    torch.manual_seed(0)
    network = GENERATORS[name].build(3, 3, width=32)
    kinds = nn.Conv2d | nn.ConvTranspose2d
    modules = list(network.requires_grad_(False).modules())
    weights = torch.cat([m.weight.flatten() for m in modules if isinstance(m, kinds)])
    gains = torch.cat([m.weight for m in modules if isinstance(m, nn.BatchNorm2d)])
    assert float(weights.mean()) == pytest.approx(0, abs=1e-4)
    assert float(weights.std()) == pytest.approx(0.02, rel=0.01)
    assert float(gains.mean()) == pytest.approx(1, abs=0.01)
    assert float(gains.std()) == pytest.approx(0.02, rel=0.2)
    assert all(not m.bias.any() for m in network.modules() if getattr(m, "bias", None) is not None)


def test_gains_start_around_one_under_synchronised_batch_norm_too():
    from imtrans.api.layers import init_weights

    network = nn.SyncBatchNorm(4096)
    init_weights(network)
    assert float(network.weight.detach().std()) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    ("name", "options", "depth"),
    [("unet_128", {}, 7), ("unet_256", {}, 8), ("unet", {}, 6), ("unet", {"depth": 9}, 9)],
)
def test_the_unet_has_its_layers_where_the_paper_has_them(name, options, depth):
    network = GENERATORS[name].build(3, 3, width=4, **options)
    assert network.stride == 2**depth
    encoder = [[type(layer).__name__ for layer in block] for block in network.encoder]
    decoder = [[type(layer).__name__ for layer in block] for block in network.decoder]
    middle = ["LeakyReLU", "Conv2d", "BatchNorm2d"]
    assert encoder == [["Conv2d"], *[middle] * (depth - 2), ["LeakyReLU", "Conv2d"]]
    up = ["ReLU", "ConvTranspose2d", "BatchNorm2d"]
    dropped = [*up, "Dropout"]
    last = ["ReLU", "ConvTranspose2d", "Tanh"]
    assert decoder == [dropped] * 3 + [up] * (depth - 4) + [last]
    widths = [block[-1 if len(block) < 3 else 1].out_channels for block in network.encoder]
    assert widths == [4 * min(2**level, 8) for level in range(depth)]


def test_the_skip_comes_before_the_decoder_in_a_joint():
    network = GENERATORS["unet_128"].build(1, 1, width=1, norm="none", dropout=0.0)
    last = network.decoder[-1]
    seen = []
    last.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    first = []
    network.encoder[0].register_forward_hook(lambda module, inputs, output: first.append(output))
    network(torch.rand(1, 1, 128, 128))
    assert torch.equal(seen[0][:, :1], first[0])


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("name", ["unet_128", "resnet_6", "patch_70", "pixel"])
def test_convolutions_have_biases_only_under_instance_norm_and_at_the_ends(name, norm):
    generator = name in GENERATORS
    registry = GENERATORS if generator else DISCRIMINATORS
    network = registry[name].build(3, 3, width=4, norm=norm)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    biased = [conv.bias is not None for conv in convs]
    inner = norm == "instance"
    first = inner or not generator
    last = inner if name == "pixel" else True
    assert biased == [first, *[inner] * (len(convs) - 2), last]


@pytest.mark.parametrize("name", ["pixel", "patch_16", "patch_70"])
def test_an_unconditional_discriminator_does_not_see_the_source(name):
    image, one, other = torch.rand(3, 1, 3, 64, 64)
    blind = DISCRIMINATORS[name].build(3, 3, width=4, conditional=False)
    seeing = DISCRIMINATORS[name].build(3, 3, width=4)
    assert torch.equal(blind(one, image), blind(other, image))
    assert not torch.equal(seeing(one, image), seeing(other, image))


def test_a_patchgan_says_which_size_would_fit():
    network = DISCRIMINATORS["patch_286"].build(3, 3, width=4)
    with pytest.raises(ValueError, match="at least 96 x 96; the image is 64 x 64"):
        network(*torch.rand(2, 1, 3, 64, 64))


def test_instance_norm_in_bf16_keeps_its_statistics_exact():
    """torch rounds them too on the CPU (2.13): all of a channel is shifted then."""
    image = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    image = (image * 0.1 + 3).bfloat16()
    expected = torch.nn.functional.instance_norm(image.float())
    found = InstanceNorm(4)(image)
    assert found.dtype is torch.bfloat16
    assert (found.float() - expected).norm() < 0.004 * expected.norm()


def test_resizing_and_convolving_is_what_its_name_says():
    resize, conv = upsampling("resize", 2, 3, kernel=4)
    image = torch.rand(1, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    larger = np.pad(image[0].numpy().repeat(2, 1).repeat(2, 2), ((0, 0), (1, 1), (1, 1)))
    weight, expected = conv.weight.detach().numpy(), np.zeros((3, 10, 8))
    for y, x in np.ndindex(10, 8):
        patch = larger[:, y : y + 3, x : x + 3]
        expected[:, y, x] = (weight * patch).sum((1, 2, 3)) + conv.bias.detach().numpy()
    np.testing.assert_allclose(conv(resize(image))[0].detach().numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("kernel", [3, 4])
def test_only_what_resizes_makes_an_even_surface_of_an_even_one(kernel):
    even = torch.ones(1, 2, 6, 6)
    spread = {}
    for upsample in ("transposed", "resize"):
        torch.manual_seed(0)
        layers = nn.Sequential(*upsampling(upsample, 2, 1, kernel=kernel))
        made = layers(even)
        assert made.shape == (1, 1, 12, 12)
        spread[upsample] = float(made[..., 2:-2, 2:-2].detach().std())
    assert spread["transposed"] > 0.01
    assert spread["resize"] < 1e-6


@pytest.mark.parametrize("name", ["resnet_6", "unet_128", "encoder_decoder"])
def test_a_generator_that_resizes_has_no_transposed_convolution(name):
    network = GENERATORS[name].build(3, 3, width=2, upsample="resize")
    kinds = [type(module) for module in network.modules()]
    assert nn.ConvTranspose2d not in kinds
    assert kinds.count(nn.Upsample) == (2 if name == "resnet_6" else len(network.decoder))
    side = max(16, network.stride)
    assert network(torch.rand(1, 3, side, side * 2)).shape == (1, 3, side, side * 2)
