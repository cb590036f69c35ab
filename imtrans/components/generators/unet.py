"""The U-Net generator, and its ablation, the encoder-decoder without skip connections.

Ronneberger et al. 2015, as used by Isola et al. 2017, sections 3.2 and 6.1.1.
"""

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layers import (
    LEAK,
    DropoutRate,
    Norm,
    Upsample,
    Width,
    check_multiple,
    init_weights,
    needs_bias,
    norm_layer,
    upsampling,
)


@hookimpl
def register_generators(register: Register) -> None:
    register("unet_128", partial(UNet, depth=7, skips=True))
    register("unet_256", partial(UNet, depth=8, skips=True))
    register("unet", partial(UNet, skips=True))  # with `depth` as an option, for other sizes
    # The paper's ablation, table 2.
    register("encoder_decoder", partial(UNet, depth=8, skips=False))


class UNet(nn.Module):
    """An encoder-decoder of `depth` downsamplings, with a skip connection at every resolution.

    Maps a source image (N, in_channels, H, W) in [-1, 1] to an output
    (N, out_channels, H, W) in [-1, 1]. H and W must be multiples of 2 ** depth; any other size
    raises ValueError with the nearest sizes that fit. `upsample = "resize"` resizes and convolves
    instead of transposed convolutions, against checkerboards (Odena et al., 2016).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        depth: Annotated[int, Field(ge=2)] = 6,
        skips: bool,
        width: Width = 64,
        norm: Norm = "batch",
        dropout: DropoutRate = 0.5,
        upsample: Upsample = "transposed",
    ) -> None:
        super().__init__()
        self.stride = 2**depth
        self.skips = skips
        widths = [width * min(2**level, 8) for level in range(depth)]
        self.encoder = nn.ModuleList(_encoder(in_channels, widths, norm))
        self.decoder = nn.ModuleList(_decoder(out_channels, widths, norm, dropout, skips, upsample))
        init_weights(self)

    def forward(self, source: Tensor) -> Tensor:
        check_multiple(source, self.stride)
        features = [source]
        for down in self.encoder:
            features.append(down(features[-1]))
        image = features.pop()
        for level, up in enumerate(self.decoder):
            # The innermost features have no skip: the decoder starts from them.
            skip = [features.pop()] if self.skips and level > 0 else []
            image = up(torch.cat([*skip, image], dim=1))
        return image


def _encoder(in_channels: int, widths: list[int], norm: Norm) -> list[nn.Module]:
    """One block per downsampling. The first has no activation before it; the first and the
    innermost are not normalised: of a map of 1 x 1 a norm would leave only its own shift."""
    normalise = norm_layer(norm)
    channels = [in_channels, *widths]
    blocks: list[nn.Module] = []
    for level, (before, after) in enumerate(zip(channels, channels[1:], strict=False)):
        conv = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=needs_bias(norm))
        outermost, innermost = level == 0, level == len(widths) - 1
        activation = [] if outermost else [nn.LeakyReLU(LEAK)]
        normalised = [] if outermost or innermost else [normalise(after)]
        blocks.append(nn.Sequential(*activation, conv, *normalised))
    return blocks


def _decoder(
    out_channels: int,
    widths: list[int],
    norm: Norm,
    dropout: float,
    skips: bool,
    upsample: Upsample,
) -> list[nn.Module]:
    """One block per upsampling, innermost first; dropout in the first three, tanh after the
    last."""
    normalise = norm_layer(norm)
    blocks: list[nn.Module] = []
    for level, before in enumerate(reversed(widths)):
        joined = before * 2 if skips and level > 0 else before
        if level == len(widths) - 1:
            last = upsampling(upsample, joined, out_channels, kernel=4)
            blocks.append(nn.Sequential(nn.ReLU(), *last, nn.Tanh()))
            break
        after = widths[-level - 2]
        larger = upsampling(upsample, joined, after, kernel=4, bias=needs_bias(norm))
        dropped = [nn.Dropout(dropout)] if level < 3 and dropout else []
        blocks.append(nn.Sequential(nn.ReLU(), *larger, normalise(after), *dropped))
    return blocks
