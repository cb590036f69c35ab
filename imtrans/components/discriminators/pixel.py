"""The PixelGAN discriminator: classifies each pixel alone, so it can only improve colours.

Isola et al. 2017, section 6.1.2.
"""

import torch
from torch import Tensor, nn

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layers import LEAK, Norm, Width, init_weights, needs_bias, norm_layer


@hookimpl
def register_discriminators(register: Register) -> None:
    register("pixel", PixelGAN)


class PixelGAN(nn.Module):
    """Three 1 x 1 convolutions.

    `d(source, image)`, both (N, C, H, W) in [-1, 1], returns logits (N, 1, H, W) without a sigmoid.
    With `conditional = false` the source is ignored.
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
    ) -> None:
        super().__init__()
        self.conditional = conditional
        channels = (source_channels if conditional else 0) + target_channels
        bias = needs_bias(norm)
        self.trunk = nn.Sequential(
            nn.Conv2d(channels, width, 1),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(width, width * 2, 1, bias=bias),
            norm_layer(norm)(width * 2),
            nn.LeakyReLU(LEAK),
        )
        # Unlike in PatchGAN, the last bias depends on the norm, as in the published weights.
        self.head = nn.Conv2d(width * 2, 1, 1, bias=bias)
        init_weights(self)

    def forward(self, source: Tensor, image: Tensor) -> Tensor:
        pair = torch.cat([source, image], dim=1) if self.conditional else image
        return self.head(self.trunk(pair))
