"""The networks against the paper's own words for their layers, computed without torch.nn."""

import pytest

pytest.importorskip(
    "imtrans_pix2pixhd", reason="not installed: pip install -e plugins/imtrans-pix2pixhd"
)

import re

import torch
from torch.nn.functional import (
    avg_pool2d,
    conv2d,
    conv_transpose2d,
    instance_norm,
    leaky_relu,
    pad,
    relu,
)

from imtrans.recipe.catalog import catalog

GLOBAL = "c7s1-{0} d{1} d{2} d{3} d{4} R{4} R{4} u{3} u{2} u{1} u{0}"


class Paper:
    """Computes a network from the words of the paper's appendix, with its weights in order."""

    def __init__(self, module):
        self.weights = iter(module.state_dict().values())

    def __call__(self, words, image):
        for kind, channels in re.findall(r"(c7s1-|d|R|u|C)(\d+)", words):
            image = getattr(self, {"c7s1-": "c7s1"}.get(kind, kind))(image)
            assert image.shape[1] == int(channels)
        return image

    def taken(self):
        return next(self.weights), next(self.weights)

    def c7s1(self, image):
        return relu(instance_norm(conv2d(pad(image, (3, 3, 3, 3), "reflect"), *self.taken())))

    def d(self, image):
        return relu(instance_norm(conv2d(image, *self.taken(), stride=2, padding=1)))

    def u(self, image):
        made = conv_transpose2d(image, *self.taken(), stride=2, padding=1, output_padding=1)
        return relu(instance_norm(made))

    def R(self, image):
        def conv(image):
            return instance_norm(conv2d(pad(image, (1, 1, 1, 1), "reflect"), *self.taken()))

        return image + conv(relu(conv(image)))

    def head(self, image):
        return conv2d(pad(image, (3, 3, 3, 3), "reflect"), *self.taken()).tanh()


def noise(channels, height=64, width=128, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, channels, height, width, generator=generator) * 2 - 1


def halved(image):
    """The mean of 3 x 3 pixels, of as many as are inside, at every other one."""
    inside = torch.ones_like(image)
    return avg_pool2d(image, 3, 2, 1) / avg_pool2d(inside, 3, 2, 1)


def widths(first):
    return [first * 2**n for n in range(5)]


def test_the_global_generator_is_the_papers():
    torch.manual_seed(0)
    network = catalog().generators["pix2pixhd_global"].build(5, 3, width=4, blocks=2)
    paper, source = Paper(network), noise(5)
    expected = paper.head(paper(GLOBAL.format(*widths(4)), source))
    torch.testing.assert_close(network(source), expected, rtol=1e-4, atol=1e-5)


def test_the_enhancer_is_the_papers():
    torch.manual_seed(0)
    network = catalog().generators["pix2pixhd"].build(5, 3, width=2, blocks=2)
    paper, source = Paper(network), noise(5)
    within = paper(GLOBAL.format(*widths(4)), halved(source))
    of_source = paper("c7s1-2 d4", source)
    expected = paper.head(paper("R4 R4 R4 u2", of_source + within))
    torch.testing.assert_close(network(source), expected, rtol=1e-4, atol=1e-5)


def test_two_enhancers_are_one_around_the_other():
    torch.manual_seed(0)
    options = {"width": 2, "blocks": 1, "enhancers": 2, "enhancer_blocks": 1}
    network = catalog().generators["pix2pixhd"].build(3, 3, **options)
    paper, source = Paper(network), noise(3, 128, 128)
    words = GLOBAL.format(*widths(8)).replace("R128 R128", "R128")
    within = paper(words, halved(halved(source)))
    middle = paper("c7s1-4 d8", halved(source)) + within
    middle = paper("R8 u4", middle)
    expected = paper.head(paper("R4 u2", paper("c7s1-2 d4", source) + middle))
    torch.testing.assert_close(network(source), expected, rtol=1e-4, atol=1e-5)


def test_the_sizes_are_those_of_the_published_networks():
    """Of 35 classes and the borders to RGB: 182.5 million, the size that is quoted for it."""
    build = catalog().generators["pix2pixhd_global"].build
    with torch.device("meta"):
        assert sum(p.numel() for p in build(36, 3).parameters()) == 182_546_755
    assert build(1, 1, width=1).stride == 16
    assert catalog().generators["pix2pixhd"].build(1, 1, width=1).stride == 64


@pytest.mark.parametrize("scales", [1, 3])
def test_each_scale_is_a_patchgan_of_half_the_size(scales):
    torch.manual_seed(0)
    network = catalog().discriminators["multiscale"].build(2, 3, width=4, scales=scales)
    weights, source, image = Paper(network), noise(2), noise(3, seed=1)
    found, pair = network(source, image), torch.cat([source, image], 1)
    for number, (logits, features) in enumerate(found):
        pair = halved(pair) if number else pair
        seen, layers = pair, []
        for layer, stride in enumerate((2, 2, 2, 1)):
            seen = conv2d(seen, *weights.taken(), stride=stride, padding=2)
            seen = leaky_relu(instance_norm(seen) if layer else seen, 0.2)
            layers.append(seen)
        torch.testing.assert_close(logits, conv2d(seen, *weights.taken(), padding=2))
        for one, other in zip(features, layers, strict=True):
            torch.testing.assert_close(one, other)
    assert len(found) == scales


def test_the_receptive_field_is_that_of_the_coarsest_scale():
    """What a logit in the middle depends on, found by its gradient."""
    network = catalog().discriminators["multiscale"].build(0, 1, width=1, norm="none", scales=2)
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    image = torch.ones(1, 1, 256, 256, requires_grad=True)
    logits = network(image[:, :0], image)[-1][0]
    middle = logits.shape[-1] // 2
    logits[0, 0, middle, middle].backward()
    assert int(image.grad[0, 0].abs().amax(0).count_nonzero()) == network.receptive_field == 141
