"""A moving average of the weights, which translates more evenly than any single step's.

Exponential, after Polyak and Juditsky 1992; as in Karras et al., "Progressive Growing of GANs",
ICLR 2018, section 4.
"""

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from imtrans.api.method import Method


class Averages:
    """average = decay * average + (1 - decay) * weights, of each translator of a method, after
    every step; the first is a copy. Running statistics are those of the translator."""

    def __init__(self, method: Method, decay: float) -> None:
        self._learning = dict(method.translators())
        self._averaged = {
            name: AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))
            for name, module in self._learning.items()
        }

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The averaged translators."""
        return {name: averaged.module for name, averaged in self._averaged.items()}

    @property
    def updates(self) -> dict[str, Tensor]:
        """How many steps are in each, scalars."""
        return {name: averaged.n_averaged for name, averaged in self._averaged.items()}

    def follow(self) -> None:
        """A step is done."""
        for name, averaged in self._averaged.items():
            averaged.update_parameters(self._learning[name])
