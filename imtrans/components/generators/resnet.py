"""The ResNet generator: two downsamplings, a chain of residual blocks, two upsamplings.

Johnson et al. 2016, as implemented in the PyTorch code of pix2pix and CycleGAN.
"""

from functools import partial

from torch import Tensor, nn

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layers import (
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
    register("resnet_6", partial(ResNet, blocks=6))
    register("resnet_9", partial(ResNet, blocks=9))


class ResNet(nn.Module):
    """Two downsamplings by 2, `blocks` residual blocks, two upsamplings by 2.

    Maps a source image (N, in_channels, H, W) in [-1, 1] to an output
    (N, out_channels, H, W) in [-1, 1]. H and W must be multiples of 4; any other size raises
    ValueError with the nearest sizes that fit. `upsample = "resize"` resizes and convolves instead
    of transposed convolutions, against checkerboards (Odena et al., 2016).
    """

    stride = 4

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        blocks: int,
        width: Width = 64,
        norm: Norm = "batch",
        dropout: DropoutRate = 0.5,
        upsample: Upsample = "transposed",
    ) -> None:
        super().__init__()
        bias, normalise = needs_bias(norm), norm_layer(norm)

        def down(before: int, after: int, kernel: int, stride: int = 1) -> list[nn.Module]:
            # The first convolution is padded by a ReflectionPad2d(3) before it.
            padding = 1 if stride == 2 else 0
            conv = nn.Conv2d(before, after, kernel, stride, padding, bias=bias)
            return [conv, normalise(after), nn.ReLU()]

        def up(before: int, after: int) -> list[nn.Module]:
            larger = upsampling(upsample, before, after, kernel=3, bias=bias)
            return [*larger, normalise(after), nn.ReLU()]

        self.encoder = nn.Sequential(
            nn.ReflectionPad2d(3),
            *down(in_channels, width, 7),
            *down(width, width * 2, 3, stride=2),
            *down(width * 2, width * 4, 3, stride=2),
        )
        self.blocks = nn.Sequential(
            *(ResidualBlock(width * 4, norm, dropout) for _ in range(blocks))
        )
        self.decoder = nn.Sequential(
            *up(width * 4, width * 2),
            *up(width * 2, width),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, out_channels, 7),
            nn.Tanh(),
        )
        init_weights(self)

    def forward(self, source: Tensor) -> Tensor:
        check_multiple(source, self.stride)
        return self.decoder(self.blocks(self.encoder(source)))


class ResidualBlock(nn.Module):
    """image + conv(conv(image)), without an activation after the sum."""

    def __init__(self, channels: int, norm: Norm, dropout: float) -> None:
        super().__init__()

        def conv() -> list[nn.Module]:
            layer = nn.Conv2d(channels, channels, 3, bias=needs_bias(norm))
            return [nn.ReflectionPad2d(1), layer, norm_layer(norm)(channels)]

        self.first = nn.Sequential(*conv(), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Sequential(*conv())

    def forward(self, image: Tensor) -> Tensor:
        return image + self.second(self.dropout(self.first(image)))
