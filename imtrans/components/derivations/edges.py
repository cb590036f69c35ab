"""Edges to photograph: the source is the photograph's edges, found by Canny.

Isola et al. 2017, sections 4 and 6.2 (edges2shoes, whose edges are by HED, Xie and Tu 2015);
Canny, "A Computational Approach to Edge Detection", IEEE TPAMI 1986, which needs no weights.
"""

from random import Random
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.photographs import photograph, rgb

Threshold = Annotated[float, Field(ge=0)]

SMALLEST_THRESHOLD = 1e-6  # instead of 0, which kornia refuses; no edge is as weak as this


@hookimpl
def register_derivations(register: Register) -> None:
    register("edges", Edges)


class Edges:
    """Black lines (-1) on white (+1), (1, H, W), as in edges2shoes; the target is RGB.

    `low` and `high` are gradients (a step from black to white is 2.6 after the default blur): a
    line starts above `high` and continues above `low`. The image is blurred first, by `sigma`
    pixels with a kernel of `kernel_size`, which is odd; 1: no blur. Raises ValueError for
    low > high.

    In translation the input is a drawing already, dark on light, and is used unchanged.
    """

    source_channels = 1
    target_channels = 3
    by_pixel = True

    def __init__(
        self,
        *,
        low: Threshold = 0.2,
        high: Threshold = 0.5,
        sigma: Annotated[float, Field(gt=0)] = 1.0,
        kernel_size: Annotated[int, Field(ge=1)] = 5,
    ) -> None:
        if low > high:
            raise ValueError(f"low = {low} is above high = {high}")
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size = {kernel_size} must be odd")
        self.low = max(low, SMALLEST_THRESHOLD)
        self.high = max(high, SMALLEST_THRESHOLD)
        self.sigma = sigma
        self.kernel_size = kernel_size

    def derive(self, photo: Tensor, draw: Random) -> Tensor:
        # Imported late: kornia is slow to import, and only this derivation needs it.
        from kornia.filters import canny

        kernel, sigma = (self.kernel_size,) * 2, (self.sigma,) * 2
        _, ridges = canny(
            photograph(photo)[None], self.low, self.high, kernel, sigma, hysteresis=False
        )
        return 1 - 2 * _connected(ridges[0, 0]).to(photo.dtype)[None]

    def target(self, photo: Tensor) -> Tensor:
        return photograph(photo) * 2 - 1

    def given(self, picture: Tensor) -> Tensor:
        from kornia.color import rgb_to_grayscale

        return (rgb_to_grayscale(rgb(picture)) * 2 - 1).clamp(-1, 1)

    def compose(self, output: Tensor, source: Tensor) -> Tensor:
        return ((output + 1) / 2).clamp(0, 1)


def _connected(ridges: Tensor) -> Tensor:
    """The pixels (H, W) of weak ridges (0.5) that are connected to a strong one (1).

    kornia does the same with convolutions, which would take most of an epoch's time.
    """
    allowed, edges = ridges > 0, ridges == 1
    while True:
        rows = edges.clone()
        rows[1:] |= edges[:-1]
        rows[:-1] |= edges[1:]
        grown = rows.clone()
        grown[:, 1:] |= rows[:, :-1]
        grown[:, :-1] |= rows[:, 1:]
        grown &= allowed
        if torch.equal(grown, edges):
            return edges
        edges = grown
