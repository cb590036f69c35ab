"""Distances between output and target, pixel by pixel.

Isola et al. 2017, equation 3: L1 blurs less than L2.
"""

from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from imtrans.api.hookspecs import Register, hookimpl


@hookimpl
def register_losses(register: Register) -> None:
    register("l1", L1)
    register("l2", L2)


class L1:
    """Mean absolute difference, in units of the [-1, 1] range."""

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        return l1_loss(output, target)


class L2:
    """Mean squared difference, in squared units of the [-1, 1] range."""

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        return mse_loss(output, target)
