"""From coarse to fine: which networks of a generator learn when, and at which size.

Wang et al., CVPR 2018, section 3.1: the global generator is trained first, at its own resolution;
then each enhancer, while what is within it stays as it is; then all of them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from imtrans_pix2pixhd.generators import Generator, head


@dataclass(frozen=True)
class Stage:
    """What is trained: the output of a level (0 is the global generator's), and which levels learn
    for it."""

    level: int
    learning: tuple[int, ...]


def levels_shown(levels: int, coarse_epochs: int, fixed_epochs: int) -> list[int]:
    """The levels below the last that are trained alone: they have an output of their own."""
    coarse = [0] if coarse_epochs else []
    return coarse + (list(range(1, levels - 1)) if fixed_epochs else [])


def stage_of(epoch: int, levels: int, coarse_epochs: int, fixed_epochs: int) -> Stage:
    """The stage of an epoch (from 1)."""
    if epoch <= coarse_epochs:
        return Stage(0, (0,))
    enhancers = range(1, levels)
    number = (epoch - coarse_epochs - 1) // fixed_epochs if fixed_epochs else len(enhancers)
    if number < len(enhancers):
        return Stage(enhancers[number], (enhancers[number],))
    return Stage(levels - 1, tuple(range(levels)))


class Staged(nn.Module):
    """A generator to translate with at every stage: until the finest level is trained, it gives the
    output of the level that is, enlarged."""

    level: Tensor

    def __init__(self, generator: Generator, shown: Sequence[int]) -> None:
        super().__init__()
        self.generator, self.stride = generator, generator.stride
        self.heads = nn.ModuleDict(
            {str(level): head(generator.widths[level], generator.out_channels) for level in shown}
        )
        for module in self.heads.modules():
            if isinstance(module, nn.Conv2d):  # as init_weights, in the generator, draws its own
                nn.init.normal_(module.weight, 0.0, 0.02)
                nn.init.zeros_(module.bias)
        self.register_buffer("level", torch.zeros((), dtype=torch.int64))

    def forward(self, source: Tensor) -> Tensor:
        features = self.generator.features(source)
        output: Tensor = self.generator.head(features[-1])
        # Which level is known to the device alone, so that a graph can hold this.
        for name, its_head in self.heads.items():
            small = its_head(features[int(name)])
            large = interpolate(small, source.shape[-2:], mode="bilinear", align_corners=False)
            output = torch.where(self.level == int(name), large.to(output.dtype), output)
        return output

    def output_of(self, level: int, source: Tensor) -> Tensor:
        """The output of a level for a source of its size."""
        features = self.generator.features(source, level + 1)[-1]
        output: Tensor = self.head_of(level)(features)
        return output

    def head_of(self, level: int) -> nn.Module:
        last = level == len(self.generator.widths) - 1
        return self.generator.head if last else self.heads[str(level)]

    def learning(self, stage: Stage) -> list[nn.Module]:
        """The modules that learn in a stage."""
        parts = [self.generator.coarse, *self.generator.enhancers]
        return [*(parts[level] for level in stage.learning), self.head_of(stage.level)]


def at_level(level: int, levels: int, image: Tensor, halved: nn.Module) -> Tensor:
    """A source (N, C, H, W) at the size of a level, as the generator halves it."""
    for _ in range(levels - 1 - level):
        image = halved(image)
    return image


def target_at_level(level: int, levels: int, target: Tensor) -> Tensor:
    """A target at the size of a level: the mean of the pixels that become one."""
    factor = 2 ** (levels - 1 - level)
    return target if factor == 1 else avg_pool2d(target, factor)
