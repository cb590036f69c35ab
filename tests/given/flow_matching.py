"""A method of a third party that is no GAN: flow matching from noise to the target, given a source.

Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023, section 4.1 (straight paths).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from imtrans.api.hookspecs import Register, hookimpl
from imtrans.api.layers import check_multiple
from imtrans.api.method import Batch, Method, Parts, Phase, Term

Steps = Annotated[int, Field(ge=1)]


@hookimpl
def register_methods(register: Register) -> None:
    register("flow_matching", FlowMatching)


class Sampler(nn.Module):
    """Draws a target for a source, in Euler steps along the velocity, from noise to an image."""

    draws = True
    stride = 2
    nfe: int  # steps, of which each evaluates the network once

    def __init__(self, source: int, target: int, steps: int, width: int) -> None:
        super().__init__()
        self.noise_channels, self.nfe = target, steps
        self.velocity = nn.Sequential(  # of the source, the place and the time, as channels
            nn.Conv2d(source + target + 1, width, 4, 2, 1),
            nn.SiLU(),
            nn.ConvTranspose2d(width, width, 4, 2, 1),
            nn.SiLU(),
            nn.Conv2d(width, target, 3, 1, 1),
        )

    def forward(self, source: Tensor, noise: Tensor | None = None) -> Tensor:
        check_multiple(source, self.stride)
        number, _, height, width = source.shape
        if noise is None:
            noise = torch.randn(number, self.noise_channels, height, width, device=source.device)
        place = noise
        for step in range(self.nfe):
            time = torch.full((number, 1, 1, 1), step / self.nfe, device=source.device)
            place = place + self.at(source, place, time) / self.nfe
        return place.clamp(-1, 1)

    def at(self, source: Tensor, place: Tensor, time: Tensor) -> Tensor:
        time = time.expand(-1, 1, *place.shape[2:])
        velocity: Tensor = self.velocity(torch.cat([source, place, time], dim=1))
        return velocity.float()


class Path(NamedTuple):
    noise: Tensor
    time: Tensor  # (N, 1, 1, 1), 0 .. 1


class FlowMatching(Method):
    """Learns the velocity that leads straight from noise to the target in a unit of time."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, parts: Parts, *, steps: Steps = 4, width: Steps = 16) -> None:
        super().__init__()
        self.generator = self.translator(parts, "generator", steps=steps, width=width)

    def forward(self, batch: Batch) -> Path:
        device = batch.target.device
        # Not randn_like: its values would follow the memory format.
        noise = torch.randn(batch.target.shape, device=device)
        return Path(noise, torch.rand(len(noise), 1, 1, 1, device=device))

    def phases(self) -> Sequence[Phase]:
        return (Phase("velocity", [self.generator], self.match),)

    def match(self, batch: Batch, path: Path) -> list[Term]:
        place = torch.lerp(path.noise, batch.target, path.time)
        velocity = self.generator.at(batch.source, place, path.time)
        return [Term("velocity", (velocity - (batch.target - path.noise)).square().mean())]

    def translators(self) -> Mapping[str, nn.Module]:
        return {"generator": self.generator}

    @classmethod
    def translator(cls, parts: Parts, name: str, **options: Any) -> nn.Module:
        return Sampler(parts.source_channels, parts.target_channels, **options)
