"""PatchGAN discriminators: is each patch of this (source, image) pair real or generated?

Isola et al. 2017, sections 3.3 and 6.1.2. One logit per patch; the number of strided layers sets
how large a patch is.
"""

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
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
    register("patch", PatchGAN)
    register("patch_16", partial(PatchGAN, layers=1))
    register("patch_70", partial(PatchGAN, layers=3))
    register("patch_286", partial(PatchGAN, layers=5))
    register("image", partial(ImageGAN, layers=5))


class PatchGAN(nn.Module):
    """`layers` strided convolutions, one more, and one to a single channel of logits.

    `d(source, image)`, both (N, C, H, W) in [-1, 1], returns logits (N, 1, h, w) without a sigmoid.
    With `conditional = false` the source is ignored (the paper's ablation, table 1).
    `spectral_norm`: each convolution is divided by its largest singular value (Miyato et al., ICLR
    2018). `features`: [(logits, features)] is returned, what each layer before the logits made,
    for `feature_matching`; the weights are the same.
    H and W must be at least 3 * 2 ** layers, or ValueError names the smallest size.
    """

    def __init__(
        self,
        source_channels: int,
        target_channels: int,
        *,
        layers: Annotated[int, Field(ge=1, le=7)] = 3,
        width: Width = 64,
        norm: Norm = "batch",
        conditional: bool = True,
        spectral_norm: bool = False,
        features: bool = False,
    ) -> None:
        super().__init__()
        self.conditional, self.features = conditional, features
        self.minimum_size = 3 * 2**layers
        self.receptive_field = receptive_field(layers)
        bias, normalise = needs_bias(norm), norm_layer(norm)
        conv2d = convolution(spectral_norm)
        channels = (source_channels if conditional else 0) + target_channels

        # The first layer sees raw pixels and is not normalised.
        trunk: list[nn.Module] = [conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(LEAK)]
        for layer in range(1, layers + 1):
            before, after = (width * min(2**n, 8) for n in (layer - 1, layer))
            stride = 2 if layer < layers else 1
            conv = conv2d(before, after, 4, stride, 1, bias=bias)
            trunk += [conv, normalise(after), nn.LeakyReLU(LEAK)]
        self.trunk = nn.Sequential(*trunk)
        self.head = conv2d(after, 1, 4, 1, 1)
        init_weights(self)

    def forward(self, source: Tensor, image: Tensor) -> Tensor | list[Scale]:
        height, width = image.shape[-2:]
        if min(height, width) < self.minimum_size:
            raise ValueError(
                f"needs images of at least {self.minimum_size} x {self.minimum_size}; "
                f"the image is {width} x {height}. use a larger size or fewer layers"
            )
        pair = torch.cat([source, image], dim=1) if self.conditional else image
        if not self.features:
            return self.logits(self.trunk(pair))
        found = after_activations(self.trunk, pair)
        return [(self.logits(found[-1]), found)]

    def logits(self, features: Tensor) -> Tensor:
        """Of what the trunk made: (N, 1, h, w)."""
        found: Tensor = self.head(features)
        return found


class ImageGAN(PatchGAN):
    """A PatchGAN whose logits are averaged to one per image, (N, 1, 1, 1).

    `receptive_field` is that of the logits before the average.
    """

    def logits(self, features: Tensor) -> Tensor:
        return super().logits(features).mean(dim=(2, 3), keepdim=True)


def receptive_field(layers: int) -> int:
    """The side, in pixels, of the patch that one logit depends on.

    From the last layer to the first, size = (size - 1) * stride + 4.
    """
    size = 1
    for stride in [1, 1] + [2] * layers:
        size = (size - 1) * stride + 4
    return size
