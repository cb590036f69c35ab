"""The PixelGAN discriminator: classifies each pixel alone, so it can only improve colours.

Isola et al. 2017, section 6.1.2.
"""

import torch
from torch import Tensor, nn

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layers import (
    LEAK,
    Norm,
    Width,
    after_activations,
    init_weights,
    needs_bias,
    norm_layer,
)
from imtrans.api.method import Scale
from imtrans.api.spectral_norm import convolution


@hookimpl
def register_discriminators(register: Register) -> None:
    register("pixel", PixelGAN)


class PixelGAN(nn.Module):
    """Three 1 x 1 convolutions.

    `d(source, image)`, both (N, C, H, W) in [-1, 1], returns logits (N, 1, H, W) without a sigmoid.
    With `conditional = false` the source is ignored. `spectral_norm` and `features` are those of
    the PatchGAN.
    """

    receptive_field = 1

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        *,
        width: Width = 64,
        norm: Norm = "batch",
        conditional: bool = True,
        spectral_norm: bool = False,
        features: bool = False,
    ) -> None:
        super().__init__()
        self.conditional, self.features = conditional, features
        channels = (source_channels if conditional else 0) + target_channels
        bias, conv2d = needs_bias(norm), convolution(spectral_norm)
        self.trunk = nn.Sequential(
            conv2d(channels, width, 1),
            nn.LeakyReLU(LEAK),
            conv2d(width, width * 2, 1, bias=bias),
            norm_layer(norm)(width * 2),
            nn.LeakyReLU(LEAK),
        )
        # Unlike in PatchGAN, the last bias depends on the norm, as in the published weights.
        self.head = conv2d(width * 2, 1, 1, bias=bias)
        init_weights(self)

    def forward(self, source: Tensor, image: Tensor) -> Tensor | list[Scale]:
        pair = torch.cat([source, image], dim=1) if self.conditional else image
        if not self.features:
            logits: Tensor = self.head(self.trunk(pair))
            return logits
        found = after_activations(self.trunk, pair)
        return [(self.head(found[-1]), found)]
