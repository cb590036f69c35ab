"""A U-Net that sees the time: residual blocks, attention at the smallest maps.

Ho et al., "Denoising Diffusion Probabilistic Models", NeurIPS 2020, appendix B; time as scale and
shift after the norm as in Dhariwal and Nichol, "Diffusion Models Beat GANs on Image Synthesis",
NeurIPS 2021, section 3. Smaller than theirs, for hundreds or thousands of pairs.
"""

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

Size = Literal["tiny", "small", "medium", "large"]


class Shape(NamedTuple):
    width: int  # channels of the largest maps
    factors: tuple[int, ...]  # channels of each level, as a factor of it; each half as large
    blocks: int  # residual blocks in each level, on the way down
    patch: int  # px of a side of what becomes one place of the largest maps


SHAPES: dict[Size, Shape] = {
    "tiny": Shape(32, (1, 2, 4), 1, patch=2),
    "small": Shape(64, (1, 2, 4), 1, patch=2),
    "medium": Shape(64, (1, 2, 3, 4), 2, patch=1),
    "large": Shape(128, (1, 2, 3, 4), 3, patch=1),
}


class TimeUNet(nn.Module):
    """F(x, noise): (N, in_channels, H, W) and (N,) -> (N, out_channels, H, W), unbounded. `noise`
    says how noisy each image is: log(sigma) / 4.

    H and W are multiples of `stride`. It begins with an output of 0 everywhere.
    """

    def __init__(self, in_channels: int, out_channels: int, size: Size, dropout: float) -> None:
        super().__init__()
        width, factors, blocks, patch = SHAPES[size]
        self.stride = patch * 2 ** (len(factors) - 1)
        self.patched, self.unpatched = nn.PixelUnshuffle(patch), nn.PixelShuffle(patch)
        seen = 4 * width  # channels of the time
        self.time = nn.Sequential(
            Frequencies(width), nn.Linear(width, seen), nn.SiLU(), nn.Linear(seen, seen), nn.SiLU()
        )
        widths = [width * factor for factor in factors]
        self.first = nn.Conv2d(in_channels * patch**2, width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        before, skips = width, [width]
        for level, after in enumerate(widths):
            if level:
                self.down.append(Halve(before))
                skips.append(before)
            for _ in range(blocks):
                self.down.append(Residual(before, after, seen, dropout))
                before = after
                skips.append(before)
        self.middle = nn.ModuleList(
            [
                Residual(before, before, seen, dropout),
                Attention(before),
                Residual(before, before, seen, dropout),
            ]
        )
        for level, after in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                self.up.append(Residual(before + skips.pop(), after, seen, dropout))
                before = after
            if level:
                self.up.append(Double(before))
        # The noisy image itself, by a share of the time: noise need not pass through the network.
        self.gain = nn.Linear(seen, out_channels)
        nn.init.zeros_(self.gain.weight)
        nn.init.zeros_(self.gain.bias)
        last = zeroed(nn.Conv2d(before, out_channels * patch**2, 3, padding=1))
        self.last = nn.Sequential(normalised(before), nn.SiLU(), last)

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        time = self.time(noise)
        noisy, features = x, [self.first(self.patched(x))]
        for layer in self.down:
            features.append(layer(features[-1], time))
        x = features[-1]
        for layer in self.middle:
            x = layer(x, time)
        for layer in self.up:
            x = layer(x if isinstance(layer, Double) else torch.cat([x, features.pop()], 1), time)
        gain = self.gain(time)[:, :, None, None]
        output: Tensor = self.unpatched(self.last(x)) + gain * noisy[:, : gain.shape[1]]
        return output


class Frequencies(nn.Module):
    """What is seen of the noise, (N,): sines and cosines (N, width) of 1 to 1,000 times it."""

    rates: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        rates = torch.exp(torch.linspace(0, math.log(1000), width // 2))
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, noise: Tensor) -> Tensor:
        angles = noise.float()[:, None] * self.rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)


class Residual(nn.Module):
    """Two convolutions beside a shortcut; the time scales and shifts what is between them."""

    def __init__(self, before: int, after: int, time: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            normalised(before), nn.SiLU(), nn.Conv2d(before, after, 3, padding=1)
        )
        self.time = nn.Linear(time, 2 * after)
        self.norm = normalised(after)
        last = zeroed(nn.Conv2d(after, after, 3, padding=1))
        self.leave = nn.Sequential(nn.SiLU(), nn.Dropout(dropout), last)
        self.shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        inner = self.norm(self.enter(x)) * (1 + scale) + shift
        output: Tensor = self.shortcut(x) + self.leave(inner)
        return output


class Attention(nn.Module):
    """Every pixel looks at every other; heads of 64 channels or, of fewer, one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.heads = max(channels // 64, 1)
        self.norm = normalised(channels)
        self.look = nn.Conv2d(channels, 3 * channels, 1)
        self.leave = zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        number, channels, height, width = x.shape
        looked = self.look(self.norm(x)).reshape(number, 3, self.heads, -1, height * width)
        query, key, value = looked.transpose(3, 4).unbind(1)
        found = scaled_dot_product_attention(query, key, value).transpose(2, 3)
        output: Tensor = x + self.leave(found.reshape(number, channels, height, width))
        return output


class Halve(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        output: Tensor = self.conv(x)
        return output


class Double(nn.Module):
    """Nearest neighbours and a convolution, which leaves no checkerboard."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.larger = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        output: Tensor = self.conv(self.larger(x))
        return output


def normalised(channels: int) -> nn.GroupNorm:
    """Groups of at least 4 channels, 32 at most."""
    groups = next(n for n in range(min(32, max(channels // 4, 1)), 0, -1) if channels % n == 0)
    return nn.GroupNorm(groups, channels)


def zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """A block that ends in it begins as nothing but its shortcut."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
