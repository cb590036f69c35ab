"""The training of pix2pixHD: a game at several resolutions, feature matching, coarse to fine.

Wang et al., CVPR 2018, sections 3.1 and 3.2, equation 5. As in the authors' code the adversarial
losses of all scales are added, the generator learns before the discriminator, and both from the
same fake.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from imtrans.api.advice import LONG, WON, Vanished
from imtrans.api.features import check_features, feature_matching
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.method import Batch, Method, Parts, Phase, Term, over_scales, scales
from imtrans.api.passes import passes
from imtrans_pix2pixhd.generators import Generator
from imtrans_pix2pixhd.stages import (
    Stage,
    Staged,
    at_level,
    levels_shown,
    stage_of,
    target_at_level,
)

IMTRANS_API = 1

Epochs = Annotated[int, Field(ge=0)]


@hookimpl
def register_methods(register: Register) -> None:
    register("pix2pixhd", Pix2PixHD)


class Made(NamedTuple):
    """A batch at the size that is trained, and the fakes."""

    source: Tensor
    target: Tensor
    fake: Tensor


class Pix2PixHD(Method):
    """A conditional GAN on pairs, for large pictures.

    `feature_matching` weights `features`, how far fake and target are apart inside the
    discriminator (0: off). For `coarse_epochs` the global generator alone is trained, at a half of
    crop_size for each enhancer around it; then, for `fixed_epochs` each, one enhancer after the
    other while what is within it stays as it is; from then on all of them together. With 0, as by
    default, there is no such stage. They take the generator `pix2pixhd`; without them any will do.

    Logged are `d` and `g`, the adversarial losses of discriminator and generator, added over
    scales, `features`, and the recipe's losses, unweighted.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        feature_matching: Annotated[float, Field(ge=0)] = 10.0,
        coarse_epochs: Epochs = 0,
        fixed_epochs: Epochs = 0,
    ) -> None:
        super().__init__()
        self.coarse_epochs, self.fixed_epochs = coarse_epochs, fixed_epochs
        self.generator = _generator(parts, coarse_epochs, fixed_epochs)
        self.discriminator = parts.discriminator()
        self.adversarial, self.losses = parts.adversarial(), parts.losses()
        self.feature_matching = feature_matching
        if feature_matching:
            check_features(self.discriminator, parts)
        self.stage: Stage | None = None
        self.at_epoch(1)
        self.won = Vanished()

    def at_epoch(self, epoch: int) -> bool:
        if not isinstance(self.generator, Staged):
            return False
        levels = len(self.generator.generator.widths)
        stage = stage_of(epoch, levels, self.coarse_epochs, self.fixed_epochs)
        # Also where the stage stays: the weights may have come with the level of another run.
        self.generator.level.fill_(stage.level)
        before, self.stage = self.stage, stage
        return stage != before

    def forward(self, batch: Batch) -> Made:
        if not isinstance(self.generator, Staged) or self.stage is None:
            return Made(*batch, self.generator(batch.source))
        level, levels = self.stage.level, len(self.generator.generator.widths)
        source = at_level(level, levels, batch.source, self.generator.generator.halved)
        target = target_at_level(level, levels, batch.target)
        return Made(source, target, self.generator.output_of(level, source))

    def phases(self) -> Sequence[Phase]:
        learning: list[nn.Module] = [self.generator]
        if isinstance(self.generator, Staged) and self.stage:
            learning = self.generator.learning(self.stage)
        return (
            Phase("generator", learning, self.fool),
            Phase("discriminator", [self.discriminator], self.discriminate, detached=True),
        )

    def fool(self, batch: Batch, made: Made) -> list[Term]:
        """Pass for real at every scale, look like the target there too, and stay close to it."""
        on_fake = self.discriminator(made.source, made.fake)
        terms = [Term("g", self._added(self.adversarial.generator_loss, on_fake))]
        if self.feature_matching:
            with torch.no_grad():
                on_real = self.discriminator(made.source, made.target)
            alike = feature_matching(on_fake, on_real)
            terms.append(Term("features", alike, self.feature_matching))
        close = (Term(x.name, x.loss(made.fake, made.target), x.weight) for x in self.losses)
        return [*terms, *close]

    def discriminate(self, batch: Batch, made: Made) -> list[Term]:
        """Tell the real pair (source, target) from (source, fake)."""
        on_fake, on_real = passes(
            self.discriminator, (made.source, made.fake), (made.source, made.target)
        )
        return [Term("d", self._added(self.adversarial.discriminator_loss, on_real, on_fake))]

    def _added(self, loss: Any, *outputs: Any) -> Tensor:
        """Over scales, which equation 5 adds."""
        return over_scales(loss, *outputs) * len(scales(outputs[0]))

    def translators(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator}

    @classmethod
    def translator(
        cls,
        parts: Parts,
        name: str,
        coarse_epochs: int = 0,
        fixed_epochs: int = 0,
        **options: Any,
    ) -> nn.Module:
        return _generator(parts, coarse_epochs, fixed_epochs)

    def advice(self, losses: Mapping[str, float]) -> Iterator[str]:
        if self.won.begins(losses["d"]):
            yield (
                f"warning: discriminator loss below {WON} for {LONG} log lines: the adversarial "
                "term no longer helps the generator. try discriminator.spectral_norm = true, fewer "
                "discriminator.scales, or more pairs"
            )


def _generator(parts: Parts, coarse_epochs: int, fixed_epochs: int) -> nn.Module:
    generator = parts.generator()
    if not (coarse_epochs or fixed_epochs):
        return generator
    if not isinstance(generator, Generator) or len(generator.widths) < 2:
        raise ValueError(
            "method.coarse_epochs and method.fixed_epochs are for a generator with enhancers: "
            "choose generator.name = 'pix2pixhd', or set them to 0"
        )
    shown = levels_shown(len(generator.widths), coarse_epochs, fixed_epochs)
    return Staged(generator, shown)
