"""The generators of pix2pixHD: a global one, and local enhancers around it.

Wang et al., CVPR 2018, section 3.1 and appendix: the global generator works at a part of the
resolution. An enhancer takes the source at twice that, adds the features of what is within it to
its own, and makes the features of its resolution. In the paper's words for layers: c7s1-64, d128,
d256, d512, d1024, nine R1024, u512, u256, u128, u64, c7s1-3; and of an enhancer c7s1-32, d64, three
R64, u32, c7s1-3.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layers import (
    Norm,
    Upsample,
    Width,
    check_multiple,
    init_weights,
    needs_bias,
    norm_layer,
    upsampling,
)

IMTRANS_API = 1

Count = Annotated[int, Field(ge=1)]
Halvings = Annotated[int, Field(ge=1, le=6)]


@hookimpl
def register_generators(register: Register) -> None:
    register("pix2pixhd_global", GlobalGenerator)
    register("pix2pixhd", EnhancedGenerator)


class Layers:
    """The layers that the paper has, with one norm."""

    def __init__(self, norm: Norm, upsample: Upsample) -> None:
        self.norm, self.upsample, self.bias = norm, upsample, needs_bias(norm)

    def same(self, before: int, after: int) -> list[nn.Module]:
        """c7s1: 7x7, stride 1."""
        conv = nn.Conv2d(before, after, 7, bias=self.bias)
        return [nn.ReflectionPad2d(3), conv, norm_layer(self.norm)(after), nn.ReLU()]

    def down(self, before: int) -> list[nn.Module]:
        """d: 3x3, stride 2, to twice the channels."""
        conv = nn.Conv2d(before, before * 2, 3, stride=2, padding=1, bias=self.bias)
        return [conv, norm_layer(self.norm)(before * 2), nn.ReLU()]

    def up(self, before: int) -> list[nn.Module]:
        """u: 3x3, stride 1/2, to half the channels."""
        after = before // 2
        conv = upsampling(self.upsample, before, after, kernel=3, bias=self.bias)
        return [*conv, norm_layer(self.norm)(after), nn.ReLU()]

    def residual(self, channels: int, count: int) -> list[nn.Module]:
        return [Residual(channels, self.norm) for _ in range(count)]


def head(channels: int, out_channels: int) -> nn.Sequential:
    """From features to an image in [-1, 1]."""
    return nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(channels, out_channels, 7), nn.Tanh())


class Residual(nn.Module):
    """R: image + conv(conv(image)), 3x3 each."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()

        def conv() -> list[nn.Module]:
            layer = nn.Conv2d(channels, channels, 3, bias=needs_bias(norm))
            return [nn.ReflectionPad2d(1), layer, norm_layer(norm)(channels)]

        self.layers = nn.Sequential(*conv(), nn.ReLU(), *conv())

    def forward(self, image: Tensor) -> Tensor:
        return image + self.layers(image)


class Enhancer(nn.Module):
    """Features at twice the resolution, of the source there and of the features within."""

    def __init__(self, in_channels: int, width: int, blocks: int, layers: Layers) -> None:
        super().__init__()
        self.down = nn.Sequential(*layers.same(in_channels, width), *layers.down(width))
        self.up = nn.Sequential(*layers.residual(width * 2, blocks), *layers.up(width * 2))

    def forward(self, source: Tensor, within: Tensor) -> Tensor:
        features: Tensor = self.up(self.down(source) + within)
        return features


class Generator(nn.Module):
    """A global generator, its features of `widths[0]` channels, and an enhancer for each further
    width around it."""

    def __init__(
        self,
        channels: tuple[int, int],
        widths: Sequence[int],
        downsamplings: int,
        blocks: tuple[int, int],
        layers: Layers,
    ) -> None:
        super().__init__()
        in_channels, self.out_channels = channels
        self.widths = widths  # from coarse to fine
        smallest = 2 ** (downsamplings + len(widths) - 1)
        # Of a single pixel, the innermost, there is nothing to reflect or to normalise.
        self.stride = smallest * 2 if smallest >= 32 else smallest
        self.coarse = _global(in_channels, widths[0], downsamplings, blocks[0], layers)
        self.enhancers = nn.ModuleList(
            Enhancer(in_channels, width, blocks[1], layers) for width in widths[1:]
        )
        self.halved = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
        self.head = head(widths[-1], self.out_channels)
        init_weights(self)

    def forward(self, source: Tensor) -> Tensor:
        check_multiple(source, self.stride)
        return self.head(self.features(source)[-1])

    def features(self, source: Tensor, levels: int | None = None) -> list[Tensor]:
        """Of each level, from coarse to fine: (N, widths[level], h, w), each twice as large as the
        one before. With fewer `levels` than all, those of a source that is smaller by as many
        halvings."""
        levels = len(self.widths) if levels is None else levels
        sources = [source]
        while len(sources) < levels:
            sources.insert(0, self.halved(sources[0]))
        found: list[Tensor] = [self.coarse(sources[0])]
        for enhancer, its_source in zip(self.enhancers, sources[1:], strict=False):
            found.append(enhancer(its_source, found[-1]))
        return found


class GlobalGenerator(Generator):
    """`downsamplings` halvings, `blocks` residual blocks, and as many doublings.

    Maps a source image (N, in_channels, H, W) in [-1, 1] to an output (N, out_channels, H, W) in
    [-1, 1]. H and W must be multiples of `stride`, 16 by default; any other size raises ValueError
    with the nearest sizes that fit.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        downsamplings: Halvings = 4,
        blocks: Count = 9,
        norm: Norm = "instance",
        upsample: Upsample = "transposed",
    ) -> None:
        channels, layers = (in_channels, out_channels), Layers(norm, upsample)
        super().__init__(channels, [width], downsamplings, (blocks, 0), layers)


class EnhancedGenerator(Generator):
    """A global generator at half the resolution, and an enhancer around it; with `enhancers = 2` at
    a quarter, and two around it.

    The global generator has `downsamplings` halvings and `blocks` residual blocks, each enhancer
    `enhancer_blocks`. `width` is that of the outermost layers; each network within has twice that
    of the one around it, so that the global generator has the paper's 64.

    Maps a source image (N, in_channels, H, W) in [-1, 1] to an output (N, out_channels, H, W) in
    [-1, 1]. H and W must be multiples of `stride`, 64 by default; any other size raises ValueError
    with the nearest sizes that fit.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        enhancers: Annotated[int, Field(ge=1, le=3)] = 1,
        width: Width = 32,
        downsamplings: Halvings = 4,
        blocks: Count = 9,
        enhancer_blocks: Count = 3,
        norm: Norm = "instance",
        upsample: Upsample = "transposed",
    ) -> None:
        widths = [width * 2**level for level in range(enhancers, -1, -1)]
        channels, layers = (in_channels, out_channels), Layers(norm, upsample)
        super().__init__(channels, widths, downsamplings, (blocks, enhancer_blocks), layers)


def _global(
    in_channels: int, width: int, downsamplings: int, blocks: int, layers: Layers
) -> nn.Sequential:
    """The global generator without its head."""
    widths = [width * 2**level for level in range(downsamplings)]
    return nn.Sequential(
        *layers.same(in_channels, width),
        *(layer for before in widths for layer in layers.down(before)),
        *layers.residual(widths[-1] * 2, blocks),
        *(layer for before in reversed(widths) for layer in layers.up(before * 2)),
    )
