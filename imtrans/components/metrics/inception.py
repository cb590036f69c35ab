"""Distances between all outputs and all targets, in what an Inception network sees in them.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium",
NeurIPS 2017 (FID); Binkowski et al., "Demystifying MMD GANs", ICLR 2018 (KID).
"""

import io
import math
from statistics import NormalDist

import torch
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.api.extras import imported
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.metric import SetMetric
from imtrans.api.weights import read_weights, weights_file

FEATURES = 2048
URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"  # noqa: E501
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
AT_ONCE = 32  # pictures: at 299 px each takes 20 MB
BLOCK = 1024  # rows of a kernel matrix that are in memory at a time


@hookimpl
def register_metrics(register: Register) -> None:
    register("fid", FID)
    register("kid", KID)


class _InceptionMetric(SetMetric):
    """Rows are the features of the output and those of the target."""

    def __init__(self, *, weights: str | None = None) -> None:
        super().__init__()
        self._network = _inception(weights)

    def rows(self, output: Tensor, target: Tensor) -> Tensor:
        network = self._network.to(output.device)
        pictures = torch.cat([output, target])
        levels = ((pictures.clamp(-1, 1) + 1) * 127.5).round().byte()
        with torch.no_grad(), torch.autocast(output.device.type, enabled=False):
            features = torch.cat([network(part)[0] for part in levels.split(AT_ONCE)])
        return torch.cat(features.split(len(output)), 1)


class FID(_InceptionMetric):
    """Fréchet Inception distance between all outputs and all targets (0 where they are equal).

    Heusel et al. 2017: between two normal distributions with the means and covariances of 2,048
    features. The network is torch-fidelity's, with the weights of the original; it resizes
    pictures to 299 px itself, bilinearly without a filter against aliasing, as the original did:
    other ways of resizing (clean-fid) give other values.

    It has no interval: of few images the value is too high, the more so the fewer they are
    (Binkowski et al. 2018; Chong and Forsyth 2020), which resampled images make worse. Values
    compare only if they are of equally many images.

    `weights`: a path, or "download" or an address to fetch them once.
    """

    def of_all(self, rows: Tensor) -> float:
        return frechet_distance(*rows.double().chunk(2, 1))

    def remark(self, count: int) -> str | None:
        if count >= FEATURES:
            return None
        return (
            f"fid: {count:,} images are fewer than the {FEATURES:,} features, so that covariances "
            "are singular and the value is too high; it compares only with values of equally many"
        )


class KID(_InceptionMetric):
    """Kernel Inception distance between all outputs and all targets (0 where they are equal).

    Binkowski et al. 2018: the squared maximum mean discrepancy of 2,048 features, those of `fid`,
    with the kernel (x y / 2048 + 1)^3. Estimated from all images at once without bias, so that it
    may be below 0: by the U-statistic of Gretton et al., "A Kernel Two-Sample Test", JMLR 2012,
    equation 4. It compares no output with its own target; other programs do, and give lower values
    for outputs that resemble their targets. They also average over random subsets.

    Its interval is that of the jackknife, which leaves out one pair after the other: images drawn
    twice, as a bootstrap draws them, would be too near to themselves.

    `weights`: a path, or "download" or an address to fetch them once.
    """

    def of_all(self, rows: Tensor) -> float:
        return _KernelSums(rows).distance()

    def interval(self, rows: Tensor, confidence: float) -> tuple[float, float] | None:
        n = len(rows)
        if n < 3:
            return None
        sums = _KernelSums(rows)
        value, others = sums.distance(), sums.without_each()
        error = float(((n - 1) / n * (others - others.mean()).square().sum()).sqrt())
        width = NormalDist().inv_cdf((1 + confidence) / 2) * error
        return value - width, value + width


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """Between the normal distributions that fit two sets of features (n, d), float64. NaN of fewer
    than two.

    The trace of the root of the product of the covariances AᵀA and BᵀB is the sum of the singular
    values of ABᵀ: exact where covariances are singular too, and quick where images are few.
    """
    if min(len(one), len(other)) < 2 or not (one.isfinite().all() and other.isfinite().all()):
        return math.nan
    a, b = _root(one), _root(other)
    apart = (one.mean(0) - other.mean(0)).square().sum()
    spread = a.square().sum() + b.square().sum() - 2 * torch.linalg.svdvals(a @ b.T).sum()
    return max(float(apart + spread), 0.0)  # rounding leaves less than 0 of equal sets


def _root(features: Tensor) -> Tensor:
    """A matrix A with the covariance AᵀA, of at most as many rows as columns."""
    centred = (features - features.mean(0)) / (len(features) - 1) ** 0.5
    if len(centred) <= centred.shape[1]:
        return centred
    return torch.linalg.qr(centred, mode="r").R


class _KernelSums:
    """For each pair the sum over all other pairs of k(x, x') + k(y, y') - k(x, y') - k(x', y), and
    what follows of these (n). Rows (n, 2 d) are features of outputs, x, then of targets, y."""

    def __init__(self, rows: Tensor) -> None:
        x, y = rows.double().chunk(2, 1)
        self.n = len(rows)
        within = _sums(x, x) - _alone(x, x) + _sums(y, y) - _alone(y, y)
        self.each = within - _sums(x, y) - _sums(y, x) + 2 * _alone(x, y)

    def distance(self) -> float:
        """NaN of fewer than two images."""
        return float(self.each.sum() / (self.n * (self.n - 1))) if self.n > 1 else math.nan

    def without_each(self) -> Tensor:
        """The distances (n) with one pair left out."""
        return (self.each.sum() - 2 * self.each) / ((self.n - 1) * (self.n - 2))


def _sums(x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([_kernel(part @ y.T, x).sum(1) for part in x.split(BLOCK)])


def _alone(x: Tensor, y: Tensor) -> Tensor:
    return _kernel((x * y).sum(1), x)


def _kernel(products: Tensor, features: Tensor) -> Tensor:
    return (products / features.shape[1] + 1) ** 3


def _inception(weights: str | None) -> nn.Module:
    """torch-fidelity's network, with weights from a file."""
    library = imported("torch_fidelity.feature_extractor_inceptionv3", extra="metrics")
    path = weights_file(weights, name="Inception", url=URL, sha256=SHA256)
    # It would read a file as a pickle, and run what is in there: it is given tensors alone.
    tensors = io.BytesIO()
    torch.save(read_weights(path, "Inception"), tensors)
    tensors.seek(0)
    try:
        with torch.random.fork_rng(devices=[]):  # its first weights are drawn, to be replaced
            network: nn.Module = library.FeatureExtractorInceptionV3(
                "inception-v3-compat", [str(FEATURES)], tensors
            )
    except RuntimeError as error:  # missing or other tensors, one in each of many lines
        raise ImtransError(f"'{path}': these are not the weights of Inception") from error
    return network
