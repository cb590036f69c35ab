"""Batch norm with the averages of training, as part of the convolution before it.

Then it is one factor and one shift per channel, which the convolution's weights can hold: a pass
over all features less. Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, section 3.2.
"""

import copy
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval

from imtrans.api.layers import BatchNorm2d

NORMS = (nn.BatchNorm2d, BatchNorm2d)
SAME = 1e-3  # between outputs in [-1, 1] in fp32; what is wrong is wrong by far more
PROBE = 64  # px, or the stride


def folded(network: nn.Module, channels: int) -> nn.Module:
    """The network with each batch norm that follows a convolution in an nn.Sequential folded into
    it. It takes sources (N, channels, H, W), and its norms use the averages of training.

    Whether that is all that the network does with the two is found out by trying: one that
    translates otherwise afterwards is returned as it was.
    """
    quick = copy.deepcopy(network)
    pairs = [
        (parent, *pair)
        for parent in quick.modules()
        if isinstance(parent, nn.Sequential)
        for pair in _pairs(parent)
    ]
    if not pairs:
        return network
    for parent, first, second in pairs:
        convolution, norm = parent[first], parent[second]
        assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
        assert isinstance(norm, _BatchNorm)
        transposed = isinstance(convolution, nn.ConvTranspose2d)
        parent[first] = fuse_conv_bn_eval(convolution, norm, transposed)
        parent[second] = nn.Identity()
    return quick if _translate_alike(network, quick, channels) else network


def _pairs(parent: nn.Sequential) -> Iterator[tuple[int, int]]:
    """Where a convolution and a norm after it are."""
    for at, (one, other) in enumerate(pairwise(parent)):
        plain = type(one) in (nn.Conv2d, nn.ConvTranspose2d) and one.groups == 1
        if plain and type(other) in NORMS and not other.training and other.track_running_stats:
            yield at, at + 1


def _translate_alike(network: nn.Module, quick: nn.Module, channels: int) -> bool:
    side = -(-PROBE // int(network.stride)) * int(network.stride)  # type: ignore[arg-type]
    image = (
        torch.rand((1, channels, side, side), generator=torch.Generator().manual_seed(0)) * 2 - 1
    )
    try:
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            outputs: list[Tensor] = [each(image) for each in (network, quick)]
    except Exception:  # whatever a plugin's network refuses
        return False
    return bool((outputs[0] - outputs[1]).abs().max() <= SAME)
