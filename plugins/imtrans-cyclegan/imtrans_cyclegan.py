"""CycleGAN: two generators that undo each other, trained on images without pairs.

Zhu, Park, Isola, Efros, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017. Weights, order and image pool are those of the authors' PyTorch code.

What goes from target to source carries the suffix `_back`: networks, translators and losses.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from imtrans.api.advice import LONG, WON, Vanished
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.method import Batch, Direction, Method, Parts, Phase, Term, over_scales
from imtrans.api.passes import passes

Weight = Annotated[float, Field(ge=0)]

IMTRANS_API = 1  # the version of the plugin API that this was written for


@hookimpl
def register_methods(register: Register) -> None:
    register("cyclegan", CycleGAN)


class Made(NamedTuple):
    """What the generators make of a batch, and of that again."""

    target: Tensor  # (N, Ct, H, W), of the source
    cycle: Tensor  # (N, Cs, H, W), the source again
    source: Tensor  # (N, Cs, H, W), of the target
    cycle_back: Tensor  # (N, Ct, H, W), the target again


class CycleGAN(Method):
    """Two GANs on unpaired images, held together by cycle consistency.

    `cycle` weights the L1 distance of an image to itself after both generators. `identity`, a
    factor of `cycle`, weights the change that a generator makes to an image of its own output side;
    it needs as many source as target channels, or `identity = 0`. Each discriminator sees fakes
    from a pool of `pool_size` earlier ones (0: the newest alone). `discriminator_rate` is their
    learning rate as a factor of train.learning_rate.

    Logged, unweighted, from source to target and (`_back`) from target to source: `g` and `d`, the
    adversarial losses of generator and discriminator, `cycle` and `identity`.
    """

    paired: ClassVar[bool] = False
    needs: ClassVar[frozenset[str]] = frozenset({"generator", "discriminator", "adversarial"})
    directions: ClassVar[Mapping[str, Direction]] = {
        "generator": "forward",
        "generator_back": "back",
    }

    def __init__(
        self,
        parts: Parts,
        *,
        cycle: Weight = 10.0,
        identity: Weight = 0.5,
        pool_size: Annotated[int, Field(ge=0)] = 50,
        discriminator_rate: Annotated[float, Field(gt=0)] = 1.0,
    ) -> None:
        super().__init__()
        source, target = parts.source_channels, parts.target_channels
        if identity and source != target:
            raise ValueError(
                f"method.identity needs as many source as target channels; the data have {source} "
                f"and {target}. set method.identity = 0"
            )
        self.generator = parts.generator()
        self.generator_back = parts.generator(target, source)
        # They see an image by itself: an unpaired source says nothing about it.
        self.discriminator = parts.discriminator(0, target)
        self.discriminator_back = parts.discriminator(0, source)
        self.pool = ImagePool(pool_size, target, parts.size)
        self.pool_back = ImagePool(pool_size, source, parts.size)
        self.adversarial = parts.adversarial()
        self.cycle, self.identity, self.rate = cycle, cycle * identity, discriminator_rate
        self.won = {"d": Vanished(), "d_back": Vanished()}

    def forward(self, batch: Batch) -> Made:
        # In the order of the published code: so gradients are summed in its order, too.
        fake = self.generator(batch.source)
        cycle = self.generator_back(fake)
        fake_back = self.generator_back(batch.target)
        return Made(fake, cycle, fake_back, self.generator(fake_back))

    def phases(self) -> Sequence[Phase]:
        generators = [self.generator, self.generator_back]
        discriminators = [self.discriminator, self.discriminator_back]
        return (
            Phase("generators", generators, self.fool),
            Phase(
                "discriminators", discriminators, self.discriminate, detached=True, rate=self.rate
            ),
        )

    def fool(self, batch: Batch, made: Made) -> list[Term]:
        """Pass for real, be undone by the other generator, and keep what is an output already."""
        terms = self._identity(batch) if self.identity else []
        game = self.adversarial.generator_loss
        on_fake = self.discriminator(*alone(made.target))
        on_fake_back = self.discriminator_back(*alone(made.source))
        return [
            Term("g", over_scales(game, on_fake)),
            Term("g_back", over_scales(game, on_fake_back)),
            Term("cycle", l1_loss(made.cycle, batch.source), self.cycle),
            Term("cycle_back", l1_loss(made.cycle_back, batch.target), self.cycle),
            *terms,
        ]

    def _identity(self, batch: Batch) -> list[Term]:
        kept, kept_back = self.generator(batch.target), self.generator_back(batch.source)
        return [
            Term("identity", l1_loss(kept, batch.target), self.identity),
            Term("identity_back", l1_loss(kept_back, batch.source), self.identity),
        ]

    def discriminate(self, batch: Batch, made: Made) -> list[Term]:
        """Tell real images from fakes of this step and of earlier ones."""
        game = self.adversarial.discriminator_loss
        fakes, fakes_back = self.pool(made.target), self.pool_back(made.source)
        # Two passes each, because batch norm over both at once would be another algorithm.
        on_fake, on_real = passes(self.discriminator, alone(fakes), alone(batch.target))
        on_fake_back, on_real_back = passes(
            self.discriminator_back, alone(fakes_back), alone(batch.source)
        )
        return [
            Term("d", over_scales(game, on_real, on_fake)),
            Term("d_back", over_scales(game, on_real_back, on_fake_back)),
        ]

    def translators(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator, "generator_back": self.generator_back}

    @classmethod
    def translator(cls, parts: Parts, name: str, **options: Any) -> nn.Module:
        if name == "generator":
            return parts.generator()
        return parts.generator(parts.target_channels, parts.source_channels)

    def advice(self, losses: Mapping[str, float]) -> Iterator[str]:
        for name, won in self.won.items():
            if won.begins(losses[name]):
                yield (
                    f"warning: discriminator loss '{name}' below {WON} for {LONG} log lines: the "
                    "adversarial term no longer helps its generator. try a smaller "
                    "method.discriminator_rate, or more images"
                )


def alone(image: Tensor) -> tuple[Tensor, Tensor]:
    """What a discriminator takes for an image alone: its source has no channels."""
    return image[:, :0], image


class ImagePool(nn.Module):
    """Earlier fakes, so that a discriminator does not forget what it has learned to reject.

    Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial
    Training", CVPR 2017, section 2.3. Until it is full every fake is stored and returned; then each
    is returned with probability 1/2, and else takes the place of a stored one, which is returned.
    With size 0 fakes pass through.

    It is buffers, draws on the device and never asks the device for a value, so that it is saved
    and a CUDA graph can record it. `sides` are height and width of the images in pixels.
    """

    images: Tensor
    count: Tensor

    def __init__(self, size: int, channels: int, sides: tuple[int, int]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, channels, *sides))
        self.register_buffer("count", torch.zeros(1, dtype=torch.int64))

    @torch.no_grad()
    def forward(self, fakes: Tensor) -> Tensor:
        """Images to show a discriminator for these fakes, (N, C, H, W) both."""
        if not self.size:
            return fakes
        swaps = torch.rand(len(fakes), device=fakes.device) < 0.5
        places = torch.randint(self.size, (len(fakes),), device=fakes.device)
        # One after the other: the pool may become full, or a place be drawn twice, in a batch.
        rows = zip(fakes.split(1), swaps.split(1), places.split(1), strict=True)
        return torch.cat([self._exchanged(*row) for row in rows])

    def _exchanged(self, fake: Tensor, swap: Tensor, place: Tensor) -> Tensor:
        filling = self.count < self.size
        place = torch.where(filling, self.count, place)
        stored = self.images.index_select(0, place)
        new = torch.where((filling | swap)[:, None, None, None], fake, stored)
        self.images.index_copy_(0, place, new)
        self.count += filling
        return torch.where((~filling & swap)[:, None, None, None], stored, fake)
