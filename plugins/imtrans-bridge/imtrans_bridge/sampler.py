"""From a source to a target in a few evaluations of the network, along the bridge.

Zheng et al., "Diffusion Bridge Implicit Models", ICLR 2025, section 3 and algorithm 1: each step
keeps the marginals of the bridge, with as much new noise as one likes; without any, the first noise
decides everything that follows.
"""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from imtrans.api.layers import check_multiple
from imtrans_bridge.process import Process, Scalings

Start = Literal["source", "zeros"]


class Bridge(nn.Module):
    """Draws a target for a source: (N, Cs, H, W) in [-1, 1] -> (N, Ct, H, W) in [-1, 1].

    `nfe` is the number of network evaluations. `eta` is how much noise is drawn in each step but
    the last: 0 none, 1 as much as the bridge itself has (DDBM's own, Markovian). `centred`: the
    network sees x without the start's share.

    With `noise`, (N, noise_channels, H, W) of standard normal values, it is a function of both:
    the first channels, as many as a target's, are the noise of the start, and as many more that of
    each step which draws.
    """

    draws = True

    def __init__(
        self,
        network: nn.Module,
        process: Process,
        start: Start,
        channels: int,
        nfe: int,
        eta: float = 0.0,
        centred: bool = False,
    ) -> None:
        super().__init__()
        self.network, self.process, self.start_with = network, process, start
        self.channels, self.nfe, self.eta, self.centred = channels, nfe, eta, centred
        self.stride: int = network.stride  # type: ignore[assignment]

    @property
    def noise_channels(self) -> int:
        return self.channels * (self.nfe if self.eta else 1)

    def forward(self, source: Tensor, noise: Tensor | None = None) -> Tensor:
        check_multiple(source, self.stride)
        if noise is None:
            number, _, height, width = source.shape
            noise = torch.randn(number, self.noise_channels, height, width, device=source.device)
        drawn = iter(noise.float().split(self.channels, dim=1))
        start, inner = self.start(source), next(drawn)
        x = start + self.process.base_noise * inner
        for now, then in pairwise(self.process.times(self.nfe)):
            t, later = (source.new_full((1, 1, 1, 1), time) for time in (now, then))
            target = self.denoised(source, x, t).clamp(-1, 1)
            if then == 0:
                return target
            if now < 1:  # at the start x is `start`, and the noise in it may be 0
                inner = (x - self.process.mean(target, start, t)) / self.process.variance(t).sqrt()
            kept, fresh = self.shares(t, later)
            x = self.process.mean(target, start, later) + kept * inner
            if self.eta:
                x = x + fresh * next(drawn)
        raise AssertionError("nfe is 1 or more")

    def start(self, source: Tensor) -> Tensor:
        """Where the bridge begins, with the channels of a target."""
        if self.start_with == "zeros":
            number, _, height, width = source.shape
            return source.new_zeros(number, self.channels, height, width)
        return source.expand(-1, self.channels, -1, -1)

    def denoised(self, source: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """What is expected of the target, given x at the times (N or 1, 1, 1, 1)."""
        seen, scalings = self.seen(self.start(source), x, t), self.process.scalings(t)
        return scalings.skip * seen + scalings.out * self.predicted(source, seen, scalings)

    def seen(self, start: Tensor, x: Tensor, t: Tensor) -> Tensor:
        """The noisy image as the network is to see it: centred, without the start's share."""
        return x - t * start if self.centred else x

    def predicted(self, source: Tensor, x: Tensor, scalings: Scalings) -> Tensor:
        """What the network itself says, float32: of the target, what `skip` does not know yet."""
        seen = torch.cat([scalings.into * x, source], dim=1)
        output: Tensor = self.network(seen, scalings.noise.flatten().expand(x.shape[0]))
        return output.float()

    def shares(self, t: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
        """The deviations of the noise that stays in the next x and of what is drawn for it.

        Their squares add up to the variance there, so that it keeps its marginal: DBIM, section
        3.2. All of the noise that the bridge itself draws, for eta = 1, is the variance of a
        Gaussian given its value at t.
        """
        process = self.process
        known = process.between(later, t) ** 2 / process.variance(t).clamp_min(1e-12)
        variance = process.variance(later)
        fresh = self.eta**2 * (variance - known).clamp_min(0)
        return (variance - fresh).sqrt(), fresh.sqrt()
