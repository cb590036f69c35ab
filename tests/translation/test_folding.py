"""Running statistics as part of the convolutions: the same outputs, or the network as it was."""

import pytest
import torch
from torch import nn

from imtrans.api.layers import BatchNorm2d
from imtrans.recipe.catalog import catalog
from imtrans.translation.network.folding import folded
from imtrans.translation.network.modes import set_modes


def trained(network):
    """Its norms have seen something, and are not the identity."""
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.bias, 0, 0.1)
    set_modes(network, "running")
    return network


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", sorted(catalog().generators.names()))
def test_every_generator_translates_as_before(name):
    torch.manual_seed(0)
    network = trained(catalog().generators[name].build(3, 2, width=4))
    side = max(2 * network.stride, 32)
    image = torch.rand(1, 3, side, side) * 2 - 1
    quick = folded(network, 3)
    with torch.inference_mode():
        torch.testing.assert_close(quick(image), network(image), rtol=0, atol=1e-4)
    if norms(network):
        assert norms(quick) < norms(network)


def test_all_norms_of_the_u_net_are_folded():
    network = trained(catalog().generators["unet_128"].build(3, 3, width=4))
    assert norms(network) == 11
    assert norms(folded(network, 3)) == 0
    assert norms(network) == 11


class Peeking(nn.Module):
    """Uses what comes before the norm as well."""

    stride = 1

    def __init__(self):
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(3, 3, 1), BatchNorm2d(3))

    def forward(self, source):
        between = self.block[0](source)
        return between + self.block[1](between)


def test_what_would_translate_otherwise_is_left_as_it_is():
    network = trained(Peeking())
    assert folded(network, 3) is network


def test_statistics_of_each_image_are_not_folded():
    network = catalog().generators["resnet_6"].build(3, 3, width=4)
    set_modes(network, "image")
    assert folded(network, 3) is network
