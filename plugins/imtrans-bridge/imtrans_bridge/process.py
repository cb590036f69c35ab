"""The bridge: what lies between a target (t = 0) and its source (t = 1).

Zhou et al., "Denoising Diffusion Bridge Models", ICLR 2024 (DDBM); the linear kernel and the noise
at the source are those of Zhang et al., "Exploring the Design Space of Diffusion Bridge Models",
2024 (arXiv 2410.21553).
"""

from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from torch import Tensor

Times = TypeVar("Times", float, Tensor)

# Of the noise beside a target of weight 1: from where nothing is seen of the target to where
# nothing is hidden, and how times are spaced between them (Karras et al. 2022, equation 5).
NOISIEST, CLEAREST, CURVE = 20.0, 0.02, 7.0


class Scalings(NamedTuple):
    """How a network F becomes a denoiser: D(x, t) = skip x + out F(into x, noise)."""

    skip: Tensor
    out: Tensor
    into: Tensor
    noise: Tensor  # what the network sees of t


@dataclass(frozen=True)
class Process:
    """x_t = (1 - t) target + t start + gamma(t) n, with normal n: a Brownian bridge of variance
    (2 gamma_max)^2 t (1 - t), which is gamma_max^2 half way, and `base_noise` at the start.

    Given the source, noise of the base adds (t base_noise)^2 to the variance of x_t; it is seen
    here as a part of gamma, so that a bridge with it differs from one without in gamma alone.
    `sigma_target`, `sigma_start` are the standard deviations of values around their mean and
    `covariance` that of both: only the scaling of the network's input and output depends on them.
    All times are tensors of any shape, 0 to 1.
    """

    gamma_max: float
    base_noise: float
    sigma_target: float = 0.5
    sigma_start: float = 0.5
    covariance: float = 0.0

    def variance(self, t: Tensor) -> Tensor:
        """gamma(t) squared."""
        return (2 * self.gamma_max) ** 2 * t * (1 - t) + (self.base_noise * t) ** 2

    def between(self, earlier: Tensor, later: Tensor) -> Tensor:
        """The covariance of the noise at two times of one path, earlier <= later."""
        bridged = (2 * self.gamma_max) ** 2 * earlier * (1 - later)
        return bridged + self.base_noise**2 * earlier * later

    def mean(self, target: Tensor, start: Tensor, t: Tensor) -> Tensor:
        """x_t without its noise."""
        return (1 - t) * target + t * start

    def sigma(self, t: Tensor) -> Tensor:
        """The noise beside a target of weight 1, NOISIEST at the most."""
        # Without noise of the base, at 1: nothing over nothing, of which the limit is infinite.
        deviation = self.variance(t).clamp_min(1e-20).sqrt()
        return (deviation / (1 - t)).clamp(max=NOISIEST)

    def time_of(self, place: Times) -> Times:
        """The times of places from 0 to 1, which is from CLEAREST to NOISIEST.

        They are even in the root of order CURVE of sigma (Karras et al., "Elucidating the Design
        Space of Diffusion-Based Generative Models", NeurIPS 2022). Even times would not do: near 1
        little time makes the target's large shapes appear, near 0 its finest.
        """
        clearest, noisiest = CLEAREST ** (1 / CURVE), NOISIEST ** (1 / CURVE)
        sigma = (clearest + place * (noisiest - clearest)) ** CURVE
        bridge, base = (2 * self.gamma_max) ** 2, self.base_noise**2
        # bridge r + base r^2 = sigma^2, with r = t / (1 - t).
        ratio = 2 * sigma**2 / (bridge + (bridge**2 + 4 * base * sigma**2) ** 0.5)
        time: Times = ratio / (1 + ratio)
        return time

    def times(self, steps: int) -> list[float]:
        """The times of a sampler's steps, from 1 to 0, `steps` + 1 of them."""
        # Without tensors, whose values an exported or compiled graph could not know.
        return [1.0, *(self.time_of(step / steps) for step in range(steps - 1, 0, -1)), 0.0]

    def scalings(self, t: Tensor) -> Scalings:
        """Those for which what the network sees, and what it has to say, have a variance of 1.

        DDBM, section 5.1, equations 9 to 11, where a_t, b_t and c_t are here t, 1 - t and the
        variance. `out` vanishes at t = 0. What is seen of t is log(sigma) / 4, as in EDM: log(t)
        / 4 would hardly tell the times near the source apart.
        """
        target, start = self.sigma_target**2, self.sigma_start**2
        variance = self.variance(t)
        seen = (1 - t) ** 2 * target + t**2 * start
        seen = seen + 2 * t * (1 - t) * self.covariance + variance
        skip = ((1 - t) * target + t * self.covariance) / seen
        unknown = t**2 * (target * start - self.covariance**2) + target * variance
        return Scalings(skip, (unknown / seen).sqrt(), seen.rsqrt(), self.sigma(t).log() / 4)
