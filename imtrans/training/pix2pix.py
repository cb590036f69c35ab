"""The method: a generator and a discriminator, trained against each other on pairs.

Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
equation 4: the generator plays the adversarial game against a discriminator that sees the source
too, and stays close to the target in L1.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim import Adam

from imtrans.assemble import Parts
from imtrans.devices import Precision, autocast
from imtrans.schema import TrainTable

Losses = dict[str, Tensor]


class Pix2Pix:
    """Networks, optimisers, and one step of both; `imtrans.training.fit` drives it."""

    def __init__(
        self,
        parts: Parts,
        train: TrainTable,
        *,
        device: torch.device,
        precision: Precision = "fp32",
    ) -> None:
        self.generator = parts.generator.train()
        self.discriminator = parts.discriminator.train()
        self.objective = parts.objective
        self.losses = parts.losses
        self.device, self.precision = device, precision
        self.optimizer_g, self.optimizer_d = (
            Adam(network.parameters(), lr=train.learning_rate, betas=train.betas)
            for network in (self.generator, self.discriminator)
        )

    def step(self, source: Tensor, target: Tensor) -> Losses:
        """One update of the discriminator, then one of the generator.

        `source` and `target` are (N, C, H, W) in [-1, 1] on the device. Returns each loss as a
        scalar still on the device, unweighted: `d`, `g` (both adversarial) and the recipe's own.
        """
        with self._autocast():
            fake = self.generator(source)
        fake = fake.float()

        # Discriminator: tell the real pair (source, target) from (source, fake). Two passes,
        # because batch norm over both at once would be another algorithm.
        self.discriminator.requires_grad_(True)
        fake_logits = self._judge(source, fake.detach())
        real_logits = self._judge(source, target)
        loss_d = self.objective.discriminator_loss(real_logits, fake_logits)
        self._descend(self.optimizer_d, loss_d)

        # Generator: pass for real with the updated discriminator, and stay close to the target.
        self.discriminator.requires_grad_(False)
        loss_g = self.objective.generator_loss(self._judge(source, fake))
        parts = {term.name: term.loss(fake, target) for term in self.losses}
        weighted = (term.weight * parts[term.name] for term in self.losses)
        self._descend(self.optimizer_g, sum(weighted, start=loss_g))

        losses = {"d": loss_d, "g": loss_g} | parts
        return {name: loss.detach() for name, loss in losses.items()}

    def set_learning_rate(self, rate: float) -> None:
        for optimizer in (self.optimizer_g, self.optimizer_d):
            for group in optimizer.param_groups:
                group["lr"] = rate

    def optimizer_state(self) -> dict[str, Tensor]:
        """The moments of both optimisers as flat tensors, `generator/PARAMETER/exp_avg`."""
        state = {}
        for role, optimizer, names in self._optimizers():
            for parameter, name in zip(optimizer.param_groups[0]["params"], names, strict=True):
                for key, value in optimizer.state[parameter].items():
                    state[f"{role}/{name}/{key}"] = value
        return state

    def load_optimizer_state(self, state: Mapping[str, Tensor]) -> None:
        """Take up the moments again. Raises KeyError when one is missing, and
        ValueError when one has another shape."""
        for role, optimizer, names in self._optimizers():
            for name, parameter in zip(names, optimizer.param_groups[0]["params"], strict=True):
                if state[f"{role}/{name}/exp_avg"].shape != parameter.shape:
                    raise ValueError(f"'{role}/{name}/exp_avg' has another shape")
            moments = {
                index: {
                    key: state[f"{role}/{name}/{key}"] for key in ("step", "exp_avg", "exp_avg_sq")
                }
                for index, name in enumerate(names)
            }
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": moments, "param_groups": groups})

    def _optimizers(self) -> list[tuple[str, Adam, list[str]]]:
        return [
            ("generator", self.optimizer_g, [n for n, _ in self.generator.named_parameters()]),
            (
                "discriminator",
                self.optimizer_d,
                [n for n, _ in self.discriminator.named_parameters()],
            ),
        ]

    def _judge(self, source: Tensor, image: Tensor) -> Tensor:
        with self._autocast():
            logits: Tensor = self.discriminator(source, image)
        return logits.float()

    def _autocast(self):  # type: ignore[no-untyped-def]
        return autocast(self.device, self.precision)

    @staticmethod
    def _descend(optimizer: Adam, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
