"""The bridge and its sampler as the papers write them, in float64 numpy, beside torch.

DDBM is arXiv 2309.16948, base noise that of arXiv 2410.21553, DBIM arXiv 2405.15885.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from imtrans_bridge.process import NOISIEST


@dataclass(frozen=True)
class PapersBridge:
    """The variance exploding bridge of DDBM with T = 1 and sigma_t^2 = g^2 t, where g is such that
    the noise half way has the deviation `half_way`. Noise of the deviation `base` is added to x_T,
    and is not known apart from it."""

    half_way: float
    base: float = 0.0
    sigma_0: float = 0.5
    sigma_T: float = 0.5
    sigma_0T: float = 0.0

    def coefficients(self, t):
        """a_t, b_t and c_t: x_t = a_t x_T + b_t x_0 + c_t n. DDBM, table 1: alpha_t = 1."""
        g = self.half_way / 0.5
        snr_ratio = t  # SNR_T / SNR_t, of 1 / (g^2 t) each
        pinned = g**2 * t * (1 - snr_ratio)
        return snr_ratio, 1 - snr_ratio, np.sqrt(pinned + (snr_ratio * self.base) ** 2)

    def scalings(self, t):
        """c_in, c_skip and c_out of DDBM, where c_t is its square root."""
        a, b, c = self.coefficients(t)
        seen = (a * self.sigma_T) ** 2 + (b * self.sigma_0) ** 2 + 2 * a * b * self.sigma_0T + c**2
        c_in = 1 / np.sqrt(seen)
        c_skip = (b * self.sigma_0**2 + a * self.sigma_0T) * c_in**2
        apart = (self.sigma_T * self.sigma_0) ** 2 - self.sigma_0T**2
        return c_in, c_skip, np.sqrt(a**2 * apart + (self.sigma_0 * c) ** 2) * c_in

    def noise_seen(self, t):
        """c_noise of EDM (Karras et al. 2022, table 1), where noise and target are scaled to a
        target of weight 1."""
        _, b, c = self.coefficients(np.asarray(t, float))
        noisy = c >= NOISIEST * b  # also where both are 0, at the start
        return np.log(np.where(noisy, NOISIEST, c / np.where(noisy, 1, b))) / 4

    def time_seen(self, noise):
        """The time of such a c_noise."""
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if self.noise_seen(middle) < noise else (low, middle)
        return high

    def paths(self, times):
        """The noise at rising times within (0, 1], one row each, in terms of independent normal
        variables: a Brownian motion of independent increments, less its end in proportion, and the
        noise of the base."""
        ends = np.append(times, 1.0)
        lengths = np.diff(ends, prepend=0.0)
        motion = np.tril(np.ones((len(ends), len(ends)))) * np.sqrt(lengths)
        pinned = (motion - ends[:, None] * motion[-1]) * self.half_way / 0.5
        return np.hstack([pinned, ends[:, None] * self.base])[:-1]

    def unexplained(self, s, t):
        """The deviation of the noise at s, s < t, where that at t is known: of what is left of it
        when that is projected out."""
        earlier, later = self.paths([s, t])
        length = later @ later
        share = earlier @ later / length if length > 1e-20 else 0.0
        return np.linalg.norm(earlier - share * later)


def dbim(bridge, denoiser, x_T, noises, times, eta):
    """Algorithm 1 of DBIM at times from 1 to 0, with rho = eta times that of the Markovian case.
    Its booting noise is the first of `noises`; x_T has noise in it where there is one of the base,
    and then it is the same. Yields (t, x_t), and (0, x_0) at last."""
    noises = list(noises)
    booting = noises.pop(0)
    x = x_T + bridge.base * booting
    for t, s in pairwise(times):
        yield t, x
        x_0 = np.clip(denoiser(x, t), -1, 1)
        if s == 0:
            yield s, x_0
            return
        a, b, c = bridge.coefficients(t)
        noise = booting if t == 1 else (x - a * x_T - b * x_0) / c
        a, b, c = bridge.coefficients(s)
        rho = eta * bridge.unexplained(s, t)
        x = a * x_T + b * x_0 + np.sqrt(max(c**2 - rho**2, 0)) * noise
        if eta:
            x = x + rho * noises.pop(0)
