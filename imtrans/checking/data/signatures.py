"""By what the sides of a pair are recognised as belonging together: a thousand numbers a side.

Of all canonical variates of the two sides (see `correspondence`) the KEPT most correlated ones are
enough: the real part of the inner product of a source's and a target's signature is, up to terms of
either side alone, the log likelihood ratio of "they belong together" to "they do not", if values
are normally distributed. It can be computed for any source with any target, so a pair is compared
with what others would be; and for a target that is mirrored or upside down, by its spectrum alone.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imtrans.checking.data.spectra import SIDE

KEPT = 512  # complex numbers. With all 41,600 a tenth more shuffled pairs of real sets are found
# How a target may be turned, as (mirrored, upside down); both: by half a turn.
TURNS = ((False, False), (True, False), (False, True), (True, True))


@dataclass(frozen=True)
class Signatures:
    """What signatures are computed with: for each of KEPT variates its frequency (row, column of
    the spectrum), how the channels of either side make it (KEPT, CHANNELS), and its mean (KEPT,).
    """

    rows: Tensor
    columns: Tensor
    from_source: Tensor
    from_target: Tensor
    source_mean: Tensor
    target_mean: Tensor

    def of(self, source: Tensor, target: Tensor) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """From the spectra of both sides: their signatures (2, 2 * KEPT), of length 1, and how the
        source agrees with the target as it is and turned, -1 ... 1, in the order of TURNS."""
        at = source[self.rows, self.columns]
        one = _unit((self.from_source * at).sum(-1) - self.source_mean)
        others = torch.stack([self._of_target(target, *turn) for turn in TURNS])
        signatures = np.stack([one.numpy(), others[0].numpy()]).astype(np.float16)
        return signatures, (others @ one).numpy()

    def _of_target(self, target: Tensor, mirrored: bool, upside_down: bool) -> Tensor:
        # Mirroring reverses one axis of the spectrum, of which only half the columns are stored:
        # F(u, -v) is the conjugate of F(-u, v).
        rows = -self.rows % SIDE if mirrored != upside_down else self.rows
        at = target[rows, self.columns]
        at = at.conj() if mirrored else at
        # The mirror image of pixel n is SIDE - 1 - n, one away from -n.
        off = self.columns * mirrored + self.rows * upside_down
        phase = torch.polar(torch.ones(len(off)), 2 * torch.pi * off / SIDE)
        return _unit((self.from_target * at).sum(-1) * phase - self.target_mean)


def signatures_of(
    r: Tensor, from_source: Tensor, from_target: Tensor, source_mean: Tensor, target_mean: Tensor
) -> Signatures:
    """For canonical correlations r (SIDE, SIDE / 2 + 1, K), the maps to the variates (..., K,
    CHANNELS) and the mean spectra (..., CHANNELS)."""
    best = r.flatten().topk(KEPT).indices
    kinds = r.shape[-1]
    frequency = best // kinds
    rows, columns = frequency // r.shape[1], frequency % r.shape[1]
    source_map = from_source[rows, columns, best % kinds]
    target_map = from_target[rows, columns, best % kinds]
    return Signatures(
        rows,
        columns,
        source_map,
        target_map,
        (source_map * source_mean[rows, columns]).sum(-1),
        (target_map * target_mean[rows, columns]).sum(-1),
    )


def _unit(variates: Tensor) -> Tensor:
    real = torch.view_as_real(variates).flatten()
    return real / real.norm().clamp_min(1e-12)
