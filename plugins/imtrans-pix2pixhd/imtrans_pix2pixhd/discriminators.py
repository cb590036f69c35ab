"""The discriminators of pix2pixHD: the same PatchGAN at several resolutions.

Wang et al., CVPR 2018, section 3.2: a coarse one sees a large part of the picture and asks for
consistency, a fine one for detail.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layers import LEAK, Norm, Width, after_activations, init_weights, norm_layer
from imtrans.api.method import Scale
from imtrans.api.spectral_norm import convolution

IMTRANS_API = 1


@hookimpl
def register_discriminators(register: Register) -> None:
    register("multiscale", Multiscale)


class Multiscale(nn.Module):
    """`scales` PatchGANs of `layers` strided convolutions: the first sees the pair, each further
    one sees it at half the size of the one before.

    `d(source, image)`, both (N, C, H, W) in [-1, 1], returns for each scale, the finest first,
    (logits, features): logits (N, 1, h, w) without a sigmoid, and what each layer before them made,
    for feature matching. `spectral_norm`: each convolution is divided by its largest singular value
    (Miyato et al., ICLR 2018).
    """

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        *,
        scales: Annotated[int, Field(ge=1, le=5)] = 2,
        layers: Annotated[int, Field(ge=1, le=7)] = 3,
        width: Width = 64,
        norm: Norm = "instance",
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        channels = source_channels + target_channels
        self.scales = nn.ModuleList(
            Patches(channels, layers, width, norm, spectral_norm) for _ in range(scales)
        )
        self.halved = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        self.receptive_field = receptive_field(layers, scales)
        init_weights(self)

    def forward(self, source: Tensor, image: Tensor) -> list[Scale]:
        pair = torch.cat([source, image], dim=1)
        found = []
        for number, patches in enumerate(self.scales):
            pair = self.halved(pair) if number else pair
            found.append(patches(pair))
        return found


class Patches(nn.Module):
    """C64-C128-C256-C512 and one channel of logits, with 3 layers and a width of 64. The padding of
    2 keeps more of the borders than that of pix2pix."""

    def __init__(
        self, channels: int, layers: int, width: int, norm: Norm, spectral_norm: bool
    ) -> None:
        super().__init__()
        conv2d = convolution(spectral_norm)
        trunk: list[nn.Module] = [conv2d(channels, width, 4, 2, 2), nn.LeakyReLU(LEAK)]
        for layer in range(1, layers + 1):
            before, after = (width * min(2**n, 8) for n in (layer - 1, layer))
            conv = conv2d(before, after, 4, 2 if layer < layers else 1, 2)
            trunk += [conv, norm_layer(norm)(after), nn.LeakyReLU(LEAK)]
        self.trunk = nn.Sequential(*trunk)
        self.head = conv2d(after, 1, 4, 1, 2)

    def forward(self, pair: Tensor) -> Scale:
        features = after_activations(self.trunk, pair)
        return self.head(features[-1]), features


def receptive_field(layers: int, scales: int) -> int:
    """The side of what a logit of the coarsest scale depends on (px)."""
    size = 1
    for kernel, stride in [(4, 1)] * 2 + [(4, 2)] * layers + [(3, 2)] * (scales - 1):
        size = (size - 1) * stride + kernel
    return size
