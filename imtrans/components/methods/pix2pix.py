"""A generator and a discriminator, trained against each other on pairs.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
equation 4: the generator plays the adversarial game against a discriminator that sees the source
too, and stays close to the target in L1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from imtrans.api.advice import LONG, WON, Plateau, Vanished
from imtrans.api.diffaugment import Augmentation, check_colours, diffaugment
from imtrans.api.features import check_features, feature_matching
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.method import Batch, Method, Parts, Phase, Term, over_scales
from imtrans.api.passes import passes
from imtrans.api.r1 import r1_penalty

Weight = Annotated[float, Field(ge=0)]


@hookimpl
def register_methods(register: Register) -> None:
    register("pix2pix", Pix2Pix)


class Pix2Pix(Method):
    """A conditional GAN on pairs, and the recipe's losses between output and target.

    `discriminator_steps` is how often the discriminator is updated in each step,
    `discriminator_rate` its learning rate as a factor of train.learning_rate. Logged are `d` and
    `g`, the adversarial losses of discriminator and generator, and the recipe's losses, unweighted.

    Off at 0: `feature_matching` is the weight of `features`, how far fake and target are apart
    inside the discriminator (Wang et al., CVPR 2018, weight 10; needs discriminator.features =
    true). `r1` is gamma of the penalty `r1` on the discriminator's gradient at real pairs
    (Mescheder et al., ICML 2018, gamma 10 beside a game that is not halved). `diffaugment` names
    what the discriminator's images are augmented with, for small sets: "color" (RGB targets alone),
    "translation", "cutout" (Zhao et al., NeurIPS 2020).
    """

    def __init__(
        self,
        parts: Parts,
        *,
        discriminator_steps: Annotated[int, Field(ge=1)] = 1,
        discriminator_rate: Annotated[float, Field(gt=0)] = 1.0,
        feature_matching: Weight = 0.0,
        r1: Weight = 0.0,
        diffaugment: Sequence[Augmentation] = (),
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = parts.generator(), parts.discriminator()
        self.adversarial, self.losses = parts.adversarial(), parts.losses()
        self.times, self.rate = discriminator_steps, discriminator_rate
        self.feature_matching, self.r1 = feature_matching, r1
        if feature_matching:
            check_features(self.discriminator, parts)
        self.diffaugment = diffaugment
        check_colours(diffaugment, parts.target_channels)
        self.won, self.plateau = Vanished(), Plateau()

    def forward(self, batch: Batch) -> Tensor:
        fake: Tensor = self.generator(batch.source)
        return fake

    def phases(self) -> Sequence[Phase]:
        discriminator, generator = [self.discriminator], [self.generator]
        return (
            Phase(
                "discriminator",
                discriminator,
                self.discriminate,
                detached=True,
                times=self.times,
                rate=self.rate,
            ),
            Phase("generator", generator, self.fool),
        )

    def discriminate(self, batch: Batch, fake: Tensor) -> list[Term]:
        """Tell the real pair (source, target) from (source, fake)."""
        (fakes,) = diffaugment(self.diffaugment, (batch.source, fake))
        (reals,) = diffaugment(self.diffaugment, (batch.source, batch.target))
        # Two passes, because batch norm over both at once would be another algorithm.
        on_fake, on_real = passes(self.discriminator, fakes, reals)
        game = Term("d", over_scales(self.adversarial.discriminator_loss, on_real, on_fake))
        if not self.r1:
            return [game]
        return [game, Term("r1", r1_penalty(self.discriminator, *reals), self.r1 / 2)]

    def fool(self, batch: Batch, fake: Tensor) -> list[Term]:
        """Pass for real with the updated discriminator, and stay close to the target."""
        fakes, reals = diffaugment(self.diffaugment, (batch.source, fake), batch)
        on_fake = self.discriminator(*fakes)
        game = Term("g", over_scales(self.adversarial.generator_loss, on_fake))
        close = [Term(x.name, x.loss(fake, batch.target), x.weight) for x in self.losses]
        if self.feature_matching:
            with torch.no_grad():
                on_real = self.discriminator(*reals)
            alike = feature_matching(on_fake, on_real)
            close.insert(0, Term("features", alike, self.feature_matching))
        return [game, *close]

    def translators(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator}

    @classmethod
    def translator(cls, parts: Parts, name: str, **options: Any) -> nn.Module:
        return parts.generator()

    def advice(self, losses: Mapping[str, float]) -> Iterator[str]:
        if self.won.begins(losses["d"]):
            yield (
                f"warning: discriminator loss below {WON} for {LONG} log lines: the adversarial "
                "term no longer helps the generator. try a smaller method.discriminator_rate, "
                "adversarial = 'lsgan', or more pairs"
            )
        if "l1" in losses and self.plateau.begins(losses["l1"]):
            yield (
                f"warning: l1 has plateaued at {losses['l1']:.3g}. if the samples are not good "
                "yet, check the pairs (`imtrans data check`) or raise train.learning_rate; if they "
                "are, this may be all there is to learn (validate.patience stops then)"
            )
