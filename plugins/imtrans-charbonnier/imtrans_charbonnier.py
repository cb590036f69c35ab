"""The Charbonnier loss: L1 for large differences, L2 for small ones.

Charbonnier et al., "Two deterministic half-quadratic regularization algorithms for computed
imaging", ICIP 1994; with epsilon = 1e-3 as in Lai et al., "Deep Laplacian Pyramid Networks for
Fast and Accurate Super-Resolution", CVPR 2017.
"""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl

IMTRANS_API = 1  # the version of the plugin API that this was written for


@hookimpl
def register_losses(register: Register) -> None:
    register("charbonnier", Charbonnier)


class Charbonnier:
    """Mean of sqrt((fake - target)^2 + epsilon^2) - epsilon, in units of the [-1, 1] range.

    Subtracting epsilon, which the published form does not, makes equal images cost 0 and values
    comparable with those of `l1`; the gradient is the same.
    """

    def __init__(self, *, epsilon: Annotated[float, Field(gt=0)] = 1e-3) -> None:
        self.epsilon = epsilon

    def __call__(self, fake: Tensor, target: Tensor) -> Tensor:
        difference = fake - target
        # A tensor made on the device, for hypot; hypot, because it squares nothing: a small
        # epsilon ** 2 rounds to 0, and the gradient of sqrt(0) is not a number.
        epsilon = difference.new_full((), self.epsilon)
        return (torch.hypot(difference, epsilon) - epsilon).mean()
