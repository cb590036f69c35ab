"""By what the sides of a pair are recognised as belonging together: a thousand numbers a side.

Of all canonical variates of the two sides (see `correspondence`) the KEPT most correlated ones are
enough: the real part of the inner product of a source's and a target's signature is, up to terms of
either side alone, the log likelihood ratio of "they belong together" to "they do not", if values
are normally distributed. It can be computed for any source with any target, so a pair is compared
with what others would be; and, from its spectrum alone, for a target that is mirrored, upside down
or inverted.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imtrans.checking.data.spectra import SIDE

KEPT = 512  # complex numbers. With all 41,600 a tenth more shuffled pairs of real sets are found
BLANK = 0.05  # of the mean signature of the set


class TargetChange(NamedTuple):
    """What may have happened to a target; all of it is undone by doing it again."""

    words: str = "as it is"
    mirrored: bool = False
    upside_down: bool = False
    channels: tuple[float, ...] = (1, 1, 1, 1, 1)  # factors of the spectrum's channels
    # How much better the sides must agree after it, in standard deviations of the agreement of
    # sides of different pairs. In the real sets clean pairs reach -0.2 turned, 3.4 inverted.
    sure: float = 2.5


CHANGES = (
    TargetChange(),
    TargetChange("mirrored", mirrored=True),
    TargetChange("upside down", upside_down=True),
    TargetChange("turned by half", mirrored=True, upside_down=True),
    TargetChange("inverted", channels=(-1, -1, -1, 1, 1), sure=5.0),  # edges stay
)


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

    def of(
        self, source: Tensor, target: Tensor, shift: tuple[int, int]
    ) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        """From the spectra of both sides: their signatures (2, 2 * KEPT), of length 1, and how the
        source agrees, -1 ... 1, with the target after each of CHANGES, and last with the target
        shifted back by (rows, columns) of SIDE."""
        at = source[self.rows, self.columns]
        one = _signature((self.from_source * at).sum(-1), self.source_mean)
        targets = [self._of_target(target, change) for change in CHANGES]
        others = torch.stack([*targets, self._of_shifted(target, shift)])
        signatures = np.stack([one.numpy(), others[0].numpy()]).astype(np.float16)
        return signatures, (others @ one).numpy()

    def _of_target(self, target: Tensor, change: TargetChange) -> Tensor:
        # Mirroring reverses one axis of the spectrum, of which only half the columns are stored:
        # F(u, -v) is the conjugate of F(-u, v).
        mirrored, upside_down = change.mirrored, change.upside_down
        rows = -self.rows % SIDE if mirrored != upside_down else self.rows
        at = target[rows, self.columns] * torch.tensor(change.channels)
        at = at.conj() if mirrored else at
        # The mirror image of pixel n is SIDE - 1 - n, one away from -n.
        return self._moved(at, int(upside_down), int(mirrored))

    def _of_shifted(self, target: Tensor, shift: tuple[int, int]) -> Tensor:
        return self._moved(target[self.rows, self.columns], *shift)

    def _moved(self, at: Tensor, up: int, left: int) -> Tensor:
        off = self.rows * up + self.columns * left
        phase = torch.polar(torch.ones(len(off)), 2 * torch.pi * off / SIDE)
        return _signature((self.from_target * at).sum(-1) * phase, self.target_mean)


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


def _signature(variates: Tensor, mean: Tensor) -> Tensor:
    """Of length 1; 0 for an image of one colour, even in JPEG: it cannot be recognised."""
    if variates.norm() <= BLANK * mean.norm():
        return torch.zeros(2 * len(variates))
    real = torch.view_as_real(variates - mean).flatten()
    return real / real.norm().clamp_min(1e-12)
