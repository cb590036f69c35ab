"""How the two sides of a data set correspond, learned from its pairs; where a target fits best.

A photograph and its labels do not look alike, so correlating them directly finds little. Over a
whole set, however, one can learn which structure of one side goes with which of the other, at each
spatial frequency. The shift of a pair is then estimated by correlation, with every frequency
weighted by its information: the maximum likelihood processor (Knapp and Carter, "The generalized
correlation method for estimation of time delay", IEEE Trans. ASSP 24(4), 1976), here for images of
several channels.

In detail: per frequency the channels of both sides are whitened over the set. The singular values
of their whitened cross-spectrum are the canonical correlations r (Hotelling, "Relations between two
sets of variates", Biometrika 28, 1936); what chance alone would give from so few pairs is
subtracted. For normally distributed values, r / (1 - r^2) is the weight in the log likelihood of a
shift.

The pairs are split in four folds, and each is compared with what the other three teach, so that no
pair influences its own result. A few misaligned pairs weaken what is learned, but do not bias it.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imtrans.checking.data.colours import UsualColours, no_colours
from imtrans.checking.data.signatures import Signatures, signatures_of
from imtrans.checking.data.spectra import CHANNELS, REACH, SIDE, by_shift, spectrum
from imtrans.checking.data.swapped import Sides, appearance

FOLDS = 4  # parts of the pairs; each is compared with what the others teach
# Products are averaged over neighbouring frequencies until each mean is of so many numbers, ...
ENOUGH = 500
# ... of which this share is independent: fading the borders smears neighbouring frequencies.
INDEPENDENT = 0.6
MOST = 0.95  # canonical correlations are clipped to this
RIDGE = 0.05  # of the power of a channel, added before whitening
LEAST = 1e-6  # squared singular values below are noise: chance alone gives more


@dataclass(frozen=True)
class Evidence(Sides):
    """How well one pair fits at each shift, by what its sides are recognised, and how usual their
    colours are; about 7 kB.

    `fit` (33, 33) float16: how well the target fits when shifted back by (row, column) - 16 steps,
    each of `step` (x, y) px. Its median is 0 and its spread (1.4826 median absolute deviations)
    is 1; all 0 where it cannot be computed. `fold`: only pairs of one fold are compared with each
    other. `signatures` (sides, KEPT) and `changed`: see imtrans.checking.data.signatures. `gains`
    (sides, UNDO): see imtrans.checking.data.colours.
    """

    fit: NDArray[np.float16]
    step: tuple[float, float]
    fold: int
    signatures: NDArray[np.float16]
    changed: NDArray[np.float32]
    gains: NDArray[np.float32]


@dataclass(frozen=True)
class Correspondence:
    """The result of `learn`; picklable, 7 MB.

    `weights[fold]` (SIDE, SIDE / 2 + 1, CHANNELS, CHANNELS): from source to target spectrum, as
    learned from the pairs outside this fold; so are `signatures[fold]`. `folds`: checksum of a
    pair -> its fold.
    `common` (33, 33): how strongly the sides of the whole set correlate at each shift, in steps of
    `step` (x, y) px.
    """

    weights: list[Tensor]
    signatures: list[Signatures]
    folds: dict[int, int]
    common: NDArray[np.float32]
    step: tuple[float, float]
    colours: tuple[UsualColours, UsualColours]  # of the sources, of the targets

    def evidence(self, source: Tensor, target: Tensor) -> Evidence:
        """How well the target fits at each shift; images are uint8 (3, H, W), of one size, best at
        most 256 px."""
        checksum = _checksum(source, target)
        fold = self.folds.get(checksum, checksum % FOLDS)
        spectra = spectrum(source), spectrum(target)
        expected = (self.weights[fold] @ spectra[0][..., None])[..., 0]
        agreement = (spectra[1] * expected.conj()).sum(-1)
        surface = by_shift(agreement).numpy()
        row, column = np.unravel_index(surface.argmax(), surface.shape)
        shift = int(row) - REACH, int(column) - REACH
        signatures, changed = self.signatures[fold].of(*spectra, shift)
        return Evidence(
            source=appearance(source),
            target=appearance(target),
            fit=_standardised(surface),
            step=_step(source),
            fold=fold,
            signatures=signatures,
            changed=changed,
            gains=np.stack([self.colours[0].gains(source), self.colours[1].gains(target)]),
        )


def learn(pairs: Iterable[tuple[Tensor, Tensor]]) -> Correspondence:
    """Learn how source and target correspond, from pairs as `Correspondence.evidence` takes them.

    A few hundred are enough; they should be spread over the set. From fewer than two different
    pairs nothing is learned, and every `fit` is 0.
    """
    sums = [_Sums() for _ in range(FOLDS)]
    folds: dict[int, int] = {}
    steps = []
    colours = no_colours(), no_colours()
    for source, target in pairs:
        for usual, image in zip(colours, (source, target), strict=True):
            usual.add(image)
        checksum = _checksum(source, target)
        # One of the folds with fewest pairs; not in turn, since the set's order may have a period.
        fewest = min(part.count for part in sums)
        free = [fold for fold, part in enumerate(sums) if part.count == fewest]
        # Equal pairs belong to one fold: otherwise they would confirm each other.
        fold = folds.setdefault(checksum, free[checksum % len(free)])
        sums[fold].add(spectrum(source), spectrum(target))
        steps.append(_step(source))
    learned = [_learned(_total(sums[:fold] + sums[fold + 1 :])) for fold in range(FOLDS)]
    return Correspondence(
        weights=[weights for weights, _ in learned],
        signatures=[signatures for _, signatures in learned],
        folds=folds,
        common=_common(_total(sums)),
        step=sorted(steps)[len(steps) // 2] if steps else (1.0, 1.0),
        colours=colours,
    )


def _nothing() -> Tensor:
    return torch.zeros(SIDE, SIDE // 2 + 1, CHANNELS, CHANNELS, dtype=torch.complex64)


def _no_spectrum() -> Tensor:
    return _nothing()[..., 0]


@dataclass
class _Sums:
    """Spectra (SIDE, SIDE / 2 + 1, C) and products of their channels (..., C, C), summed over
    pairs."""

    count: int = 0
    sources: Tensor = field(default_factory=_no_spectrum)
    targets: Tensor = field(default_factory=_no_spectrum)
    source: Tensor = field(default_factory=_nothing)
    target: Tensor = field(default_factory=_nothing)
    both: Tensor = field(default_factory=_nothing)

    def add(self, source: Tensor, target: Tensor) -> None:
        self.count += 1
        self.sources += source
        self.targets += target
        self.source += source[..., :, None] * source[..., None, :].conj()
        self.target += target[..., :, None] * target[..., None, :].conj()
        self.both += target[..., :, None] * source[..., None, :].conj()


def _total(parts: Sequence[_Sums]) -> _Sums:
    return _Sums(
        sum(part.count for part in parts),
        torch.stack([part.sources for part in parts]).sum(0),
        torch.stack([part.targets for part in parts]).sum(0),
        torch.stack([part.source for part in parts]).sum(0),
        torch.stack([part.target for part in parts]).sum(0),
        torch.stack([part.both for part in parts]).sum(0),
    )


def _learned(sums: _Sums) -> tuple[Tensor, Signatures]:
    """The weights from source to target spectrum, and what signatures are computed with."""
    if not sums.count:
        return _nothing(), signatures_of(
            _no_spectrum().real, *[_nothing()] * 2, *[_no_spectrum()] * 2
        )
    source, target, (left, r, right) = _canonical(sums)
    # The weight in two halves, one for each side: whitening, and the root of the weighting.
    root = (r / (1 - r**2)).sqrt()[..., :, None]
    from_source, from_target = root * (right @ source), root * (left.mH @ target)
    means = sums.sources / sums.count, sums.targets / sums.count
    return from_target.mH @ from_source, signatures_of(r, from_source, from_target, *means)


def _common(sums: _Sums) -> NDArray[np.float32]:
    """How strongly the sides correlate at each shift: the whitened correlations, squared."""
    if not sums.count:
        return np.zeros(by_shift(_nothing()[..., 0, 0]).shape, dtype=np.float32)
    _, _, (left, r, right) = _canonical(sums)
    whitened = ((left * r[..., None, :]) @ right).permute(2, 3, 0, 1)
    return np.asarray(by_shift(whitened).square().sum((0, 1)).numpy(), dtype=np.float32)


def _canonical(sums: _Sums) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """The whitening of the source and of the target, and U, r, V^H of the whitened cross-spectrum,
    per frequency."""
    width = 1
    while sums.count * width**2 < ENOUGH:
        width += 2
    source = _whitening(_smooth(sums.source, width) / sums.count)
    target = _whitening(_smooth(sums.target, width) / sums.count)
    both = _smooth(sums.both, width) / sums.count
    whitened = target @ both @ source.mH
    # Its singular value decomposition, from eigenvectors: twice as fast for so many so small ones.
    squares, right = torch.linalg.eigh(whitened.mH @ whitened)
    left = whitened @ right * squares.clamp_min(LEAST).rsqrt()[..., None, :]
    # The r^2 that unrelated channels would show by chance, from as many numbers.
    chance = 2 * CHANNELS / (sums.count * width**2 * INDEPENDENT)
    r = ((squares - chance) / (1 - chance)).clamp(0, MOST**2).sqrt()
    return source, target, (left, r, right.mH)


def _whitening(power: Tensor) -> Tensor:
    """W (..., C, C) such that W power W^H is about the identity; 0 for channels without power."""
    scale = torch.diagonal(power, dim1=-2, dim2=-1).real.clamp_min(1e-9).rsqrt()
    relative = power * scale[..., :, None] * scale[..., None, :]
    lower = torch.linalg.cholesky(relative + RIDGE * torch.eye(CHANNELS))
    return torch.linalg.solve_triangular(lower, torch.diag_embed(scale), upper=False)


def _smooth(products: Tensor, width: int) -> Tensor:
    """(SIDE, SIDE / 2 + 1, C, C) averaged over width x width frequencies, width odd."""
    reach = width // 2
    if not reach:
        return products
    # Rows go round; at the zero frequency and the highest, the outer column is repeated.
    rows = torch.cat([products[-reach:], products, products[:reach]])
    mean = _moving_mean(rows, 0, width)
    first, last = (mean[:, i : i + 1].expand(-1, reach, -1, -1) for i in (0, mean.shape[1] - 1))
    return _moving_mean(torch.cat([first, mean, last], 1), 1, width)


def _moving_mean(values: Tensor, dim: int, width: int) -> Tensor:
    count = values.shape[dim] - width + 1
    total = torch.zeros_like(values.narrow(dim, 0, count))
    for start in range(width):
        total += values.narrow(dim, start, count)
    return total / width


def _standardised(surface: NDArray[np.float32]) -> NDArray[np.float16]:
    around = surface - np.median(surface)
    spread = 1.4826 * np.median(np.abs(around))
    if not spread > 0:
        return np.zeros(surface.shape, dtype=np.float16)
    return np.asarray((around / spread).clip(-1e4, 1e4), dtype=np.float16)


def _step(image: Tensor) -> tuple[float, float]:
    return image.shape[-1] / SIDE, image.shape[-2] / SIDE


def _checksum(source: Tensor, target: Tensor) -> int:
    return zlib.crc32(target.numpy().tobytes(), zlib.crc32(source.numpy().tobytes()))
