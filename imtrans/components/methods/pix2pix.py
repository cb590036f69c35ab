"""The method: a generator and a discriminator, trained against each other on pairs.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
equation 4: the generator plays the adversarial game against a discriminator that sees the source
too, and stays close to the target in L1.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from imtrans.recipe.schema import TrainTable
from imtrans.task import Parts
from imtrans.training.step.average import Average
from imtrans.training.step.engine import Engine
from imtrans.training.step.optimizer import LoopAdam

Losses = dict[str, Tensor]


class Pix2Pix:
    """Networks, optimisers, and one step of both; `imtrans.training.fit` drives it."""

    def __init__(self, parts: Parts, train: TrainTable, engine: Engine) -> None:
        self.engine, self.device = engine, engine.device
        self.generator = engine.prepared(parts.generator)
        self.discriminator = engine.prepared(parts.discriminator)
        self.adversarial = parts.adversarial
        self.losses = parts.losses
        rate = train.learning_rate
        self.adam_g = engine.adam(self.generator, rate, train)
        self.adam_d = engine.adam(
            self.discriminator, train.discriminator_learning_rate or rate, train
        )
        self.discriminator_steps = train.discriminator_steps
        self.average = Average(self.generator, train.ema) if train.ema else None
        # Compiled, the networks compute otherwise; their names and weights stay as they are.
        self._generate: Callable[..., Tensor] = engine.callable(self.generator)
        self._judge: Callable[..., Tensor] = engine.callable(self.discriminator)

    def step(self, source: Tensor, target: Tensor) -> Losses:
        """One update of the discriminator, then one of the generator.

        `source` and `target` are (N, C, H, W) in [-1, 1] on the device. Returns each loss as a
        scalar still on the device, unweighted: `d`, `g` (both adversarial) and the recipe's own.
        """
        source, target = self.engine.laid_out(source), self.engine.laid_out(target)
        fake = self.fake(source)

        # Discriminator: tell the real pair (source, target) from (source, fake).
        for _ in range(self.discriminator_steps):
            loss_d = self.discriminator_loss(source, target, fake.detach())
            self.adam_d.descend(loss_d)

        # Generator: pass for real with the updated discriminator, and stay close to the target.
        with self.discriminator_fixed():
            total, losses = self.generator_loss(source, target, fake)
            self.adam_g.descend(total)
        return {"d": loss_d.detach()} | losses

    def fake(self, source: Tensor) -> Tensor:
        with self.engine.autocast():
            fake = self._generate(source)
        return fake.float()

    def discriminator_loss(self, source: Tensor, target: Tensor, fake: Tensor) -> Tensor:
        # Two passes, because batch norm over both at once would be another algorithm.
        with self.engine.autocast():
            fake_logits = self._judge(source, fake)
            real_logits = self._judge(source, target)
        return self.adversarial.discriminator_loss(real_logits.float(), fake_logits.float())

    def generator_loss(self, source: Tensor, target: Tensor, fake: Tensor) -> tuple[Tensor, Losses]:
        """What the generator descends, and its parts, unweighted and detached."""
        with self.engine.autocast():
            logits = self._judge(source, fake)
        loss_g = self.adversarial.generator_loss(logits.float())
        parts = {term.name: term.loss(fake, target) for term in self.losses}
        weighted = (term.weight * parts[term.name] for term in self.losses)
        total = sum(weighted, start=loss_g)
        return total, {name: loss.detach() for name, loss in ({"g": loss_g} | parts).items()}

    @property
    def translating(self) -> nn.Module:
        """The generator to translate with: its average, if there is one."""
        return self.average.generator if self.average else self.generator

    @contextmanager
    def discriminator_fixed(self) -> Iterator[None]:
        """Gradients pass through the discriminator, and none of its own is computed."""
        for parameter in self.adam_d.parameters:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in self.adam_d.parameters:
                parameter.requires_grad_(True)

    def scale_learning_rates(self, factor: float) -> None:
        """Make both rates this factor of the recipe's."""
        for adam in (self.adam_g, self.adam_d):
            adam.set_rate(factor * adam.full_rate)

    def optimizer_state(self) -> dict[str, Tensor]:
        """The moments of both optimisers, `generator/PARAMETER/exp_avg`."""
        return {
            f"{role}/{key}": value
            for role, adam in self._optimizers()
            for key, value in adam.state().items()
        }

    def load_optimizer_state(self, state: Mapping[str, Tensor]) -> None:
        """Take up the moments again. Raises KeyError when one is missing, and
        ValueError when one has another shape."""
        for role, adam in self._optimizers():
            start = f"{role}/"
            adam.load_state(
                {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
            )

    def _optimizers(self) -> list[tuple[str, LoopAdam]]:
        return [("generator", self.adam_g), ("discriminator", self.adam_d)]
