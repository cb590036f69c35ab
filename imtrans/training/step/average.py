"""A moving average of the generator, which translates more evenly than any single step's.

Exponential, after Polyak and Juditsky 1992; as in Karras et al., "Progressive Growing of GANs",
ICLR 2018, section 4.
"""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Average:
    """average = decay * average + (1 - decay) * generator, after every step; the first is a copy.
    Running statistics are those of the generator."""

    def __init__(self, generator: nn.Module, decay: float) -> None:
        self._averaged = AveragedModel(generator, multi_avg_fn=get_ema_multi_avg_fn(decay))

    @property
    def generator(self) -> nn.Module:
        """The averaged generator."""
        return self._averaged.module

    @property
    def updates(self) -> torch.Tensor:
        """How many steps are in it, a scalar."""
        return self._averaged.n_averaged

    def follow(self, generator: nn.Module) -> None:
        """A step is done."""
        self._averaged.update_parameters(generator)
