"""A U-Net generator of residual blocks.

Zhang et al., "Road Extraction by Deep Residual U-Net", IEEE GRSL 2018: a U-Net whose stages are
pre-activation residual blocks (He et al. 2016), made a pix2pix generator: deeper, leaky ReLU,
dropout as its noise, tanh last.
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layers import (
    LEAK,
    DropoutRate,
    Norm,
    Width,
    check_multiple,
    init_weights,
    needs_bias,
    norm_layer,
)

Depth = Annotated[int, Field(ge=2, le=8)]

IMTRANS_API = 1  # the version of the plugin API that this was written for


@hookimpl
def register_generators(register: Register) -> None:
    register("resunet", ResUNet)


class ResUNet(nn.Module):
    """An encoder-decoder of `depth` halvings, with residual blocks and a skip at every resolution.

    Maps a source image (N, in_channels, H, W) in [-1, 1] to a fake target
    (N, out_channels, H, W) in [-1, 1]. H and W must be multiples of 2 ** depth; any other size
    raises ValueError with the nearest sizes that fit. `width` channels at full size, doubled at
    each halving up to 8 * width; `dropout` is that of the three innermost decoder blocks.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        depth: Depth = 6,
        width: Width = 32,
        norm: Norm = "batch",
        dropout: DropoutRate = 0.5,
    ) -> None:
        super().__init__()
        self.stride = 2**depth
        widths = [width * min(2**level, 8) for level in range(depth + 1)]
        stem = nn.Conv2d(in_channels, width, 3, padding=1, bias=needs_bias(norm))
        self.stem = nn.Sequential(stem, Residual(width, width, norm))
        self.encoder = nn.ModuleList(_encoder(widths, norm))
        self.decoder = nn.ModuleList(_decoder(widths, norm, dropout))
        last = nn.Conv2d(width, out_channels, 1)
        self.head = nn.Sequential(norm_layer(norm)(width), nn.LeakyReLU(LEAK), last, nn.Tanh())
        init_weights(self)

    def forward(self, source: Tensor) -> Tensor:
        check_multiple(source, self.stride)
        features = [self.stem(source)]
        for down in self.encoder:
            features.append(down(features[-1]))
        image = features.pop()
        for up in self.decoder:
            image = up(features.pop(), image)
        return self.head(image)


def _encoder(widths: list[int], norm: Norm) -> list[nn.Module]:
    """One strided block per halving. The innermost is not normalised: its map may be 1 x 1, where
    a norm would leave only its shift, and PyTorch refuses one value per channel."""
    norms: list[Norm] = [norm] * (len(widths) - 2) + ["none"]
    steps = zip(pairwise(widths), norms, strict=True)
    return [Residual(before, after, norm, stride=2) for (before, after), norm in steps]


def _decoder(widths: list[int], norm: Norm, dropout: float) -> list[nn.Module]:
    """One block per doubling, innermost first; dropout in the first three, as in pix2pix."""
    steps = enumerate(pairwise(reversed(widths)))
    return [
        Up(before, after, norm, dropout if level < 3 else 0.0) for level, (before, after) in steps
    ]


class Up(nn.Module):
    """Double the size, join the skip, refine.

    (N, after, 2h, 2w) of such a skip and an image (N, before, h, w).
    """

    def __init__(self, before: int, after: int, norm: Norm, dropout: float) -> None:
        super().__init__()
        # Resized, then convolved: a strided transposed convolution covers its output unevenly,
        # which shows as a checkerboard (Odena et al. 2016).
        self.resize = nn.Upsample(scale_factor=2, mode="nearest")
        self.conv = nn.Conv2d(before, after, 3, padding=1, bias=needs_bias(norm))
        self.refine = Residual(2 * after, after, norm, dropout=dropout)

    def forward(self, skip: Tensor, image: Tensor) -> Tensor:
        return self.refine(torch.cat([skip, self.conv(self.resize(image))], dim=1))


class Residual(nn.Module):
    """Two 3x3 convolutions, each after its norm and activation, added to a shortcut.

    The shortcut is the identity, or a 1x1 convolution where channels or size change.
    """

    def __init__(
        self, before: int, after: int, norm: Norm, *, stride: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        normalise, bias = norm_layer(norm), needs_bias(norm)
        self.branch = nn.Sequential(
            normalise(before),
            nn.LeakyReLU(LEAK),
            nn.Conv2d(before, after, 3, stride, padding=1, bias=bias),
            normalise(after),
            nn.LeakyReLU(LEAK),
            nn.Dropout(dropout),
            nn.Conv2d(after, after, 3, padding=1, bias=bias),
        )
        same = before == after and stride == 1
        shortcut = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=bias)
        self.shortcut: nn.Module = shortcut

    def forward(self, image: Tensor) -> Tensor:
        return self.shortcut(image) + self.branch(image)
