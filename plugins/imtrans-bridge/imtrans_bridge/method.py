"""The training of a diffusion bridge: see the target through the noise between it and its source.

Zhou et al., "Denoising Diffusion Bridge Models", ICLR 2024, section 4.2; kernel, base noise and the
source as a further input after arXiv 2410.21553; sampled as in Zheng et al., ICLR 2025.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from imtrans.api.errors import ImtransError
from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.method import Batch, Method, Parts, Phase, Term
from imtrans_bridge.network import Size, TimeUNet
from imtrans_bridge.process import Process
from imtrans_bridge.sampler import Bridge, Start

IMTRANS_API = 1

Deviation = Annotated[float, Field(ge=0)]


@hookimpl
def register_methods(register: Register) -> None:
    register("bridge", DiffusionBridge)


class Draw(NamedTuple):
    t: Tensor  # (N, 1, 1, 1), spaced as those of the sampler
    noise: Tensor  # as the target, standard normal


class DiffusionBridge(Method):
    """A path of noise from the source to the target, on which a network learns to see the target.

    `size` is the network's: "tiny" (3 M parameters), "small" (11 M), "medium" (21 M) or "large"
    (110 M); it sees the source beside the noisy image. `nfe` is how often it is evaluated for an
    output: 1 gives the mean of all that is plausible, nearly without variety; 5 is fast, 20 better.
    `eta` is how much noise each step but the last draws, 0 to 1: see `Bridge`.

    `start` is where the bridge begins: at the "source", which has the target's channels or one, or
    at "zeros", of which noise alone makes something; by default at the source where that is
    possible. `gamma_max` is the deviation of the noise half way, `base_noise` that at the start (of
    values in [-1, 1]). `centred` takes the source's share out of the noisy image before the network
    sees it, which knows the source anyway and would have to learn to subtract it. False is DDBM's
    scaling, by `sigma_source` and `correlation` too; `sigma_target` is the deviation of the
    target's values. Logged is `bridge`, the squared error of what the network says, 1 for one that
    knows nothing.
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        parts: Parts,
        *,
        size: Size = "small",
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        nfe: Annotated[int, Field(ge=1)] = 5,
        eta: Annotated[float, Field(ge=0, le=1)] = 0.0,
        start: Start | None = None,
        gamma_max: Deviation = 0.125,
        base_noise: Deviation = 0.25,
        centred: bool = True,
        sigma_target: Annotated[float, Field(gt=0)] = 0.5,
        sigma_source: Deviation = 0.5,
        correlation: Annotated[float, Field(ge=-1, le=1)] = 0.0,
    ) -> None:
        super().__init__()
        start = _start(parts, start)
        if start == "zeros" or centred:
            sigma_source = 0.0  # nothing of it is in what the network sees noisy
        if not base_noise:
            _check_without_base(start, centred, gamma_max, sigma_source, correlation)
        process = Process(
            gamma_max,
            base_noise,
            sigma_target,
            sigma_source,
            correlation * sigma_target * sigma_source,
        )
        channels = parts.target_channels
        network = TimeUNet(parts.source_channels + channels, channels, size, dropout)
        self.generator = Bridge(network, process, start, channels, nfe, eta, centred)
        self.process = process

    def forward(self, batch: Batch) -> Draw:
        number, device = len(batch.target), batch.target.device
        # One draw for each equal part: a batch sees early and late times alike.
        places = (torch.arange(number, device=device) + torch.rand(number, device=device)) / number
        t = self.process.time_of(places.reshape(-1, 1, 1, 1))
        # Not randn_like: its values would follow the memory format.
        return Draw(t, torch.randn(batch.target.shape, device=device))

    def phases(self) -> Sequence[Phase]:
        return (Phase("generator", [self.generator], self.denoise),)

    def denoise(self, batch: Batch, draw: Draw) -> list[Term]:
        """Say of the noisy image what is missing to the target: the loss of DDBM (its equation 8)
        with the weight 1 / out^2, so that no time counts more than another."""
        start = self.generator.start(batch.source)
        mean = self.process.mean(batch.target, start, draw.t)
        x = mean + self.process.variance(draw.t).sqrt() * draw.noise
        x = self.generator.seen(start, x, draw.t)
        scalings = self.process.scalings(draw.t)
        wanted = (batch.target - scalings.skip * x) / scalings.out
        said = self.generator.predicted(batch.source, x, scalings)
        return [Term("bridge", (said - wanted).square().mean())]

    def translators(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator}

    @classmethod
    def translator(cls, parts: Parts, name: str, **options: Any) -> nn.Module:
        return cls(parts, **options).generator


def _start(parts: Parts, wanted: Start | None) -> Start:
    fits = parts.source_channels in (1, parts.target_channels)
    if wanted == "source" and not fits:
        raise ImtransError(
            f"method 'bridge': start = \"source\" needs a source of 1 or {parts.target_channels} "
            f'channels, as the target; it has {parts.source_channels}. use start = "zeros"'
        )
    return wanted or ("source" if fits else "zeros")


def _check_without_base(
    start: Start, centred: bool, gamma_max: float, sigma_source: float, correlation: float
) -> None:
    """Where the bridge begins without noise, its source has to vary, and must not say everything of
    the target: the scalings would be infinite there, or have nothing left for the network."""
    if not gamma_max:
        raise ImtransError("method 'bridge' has no noise: gamma_max or base_noise must be > 0")
    if start == "zeros":
        raise ImtransError(
            "method 'bridge': from zeros nothing but noise begins: base_noise must be > 0"
        )
    if centred:
        raise ImtransError(
            "method 'bridge': centred on the source, nothing is left to see at the start: without "
            "base_noise, set centred = false"
        )
    if not sigma_source or abs(correlation) == 1:
        raise ImtransError(
            "method 'bridge': without base_noise, sigma_source must be > 0, and correlation "
            "between -1 and 1"
        )
