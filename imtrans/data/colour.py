"""Between stored pixels, uint8, and what the networks see, [-1, 1].

`Direct` shows the networks the pixels as they are. `Lab` is colourisation (Isola et al. 2017,
section 6.2): the source is the lightness of a photograph, the target its two colour channels.
"""

from typing import Protocol

import torch
from torch import Tensor

from imtrans.schema import DataTable


class Colours(Protocol):
    """Images in batches, (N, C, H, W); `stored_*` is uint8, the rest float in [-1, 1]."""

    source_channels: int  # of the networks' source
    target_channels: int
    stored_channels: tuple[int, int]  # of the pictures that are read: source, target

    def encode_source(self, stored: Tensor) -> Tensor: ...

    def encode_target(self, stored: Tensor) -> Tensor: ...

    def show_source(self, source: Tensor) -> Tensor:
        """A source as a person can look at it, uint8."""
        ...

    def decode(self, fake: Tensor, source: Tensor) -> Tensor:
        """A fake (or target) as the image it stands for, uint8; the source may be a part of it."""
        ...


def colours(data: DataTable) -> Colours:
    """How this data is shown to the networks."""
    if data.derive == "lab":
        return Lab()
    return Direct(data.source_channels, data.target_channels)


class Direct:
    """0 .. 255 becomes -1 .. 1."""

    def __init__(self, source_channels: int, target_channels: int) -> None:
        self.source_channels = source_channels
        self.target_channels = target_channels
        self.stored_channels = (source_channels, target_channels)

    def encode_source(self, stored: Tensor) -> Tensor:
        return stored.float() / 127.5 - 1

    encode_target = encode_source

    def show_source(self, source: Tensor) -> Tensor:
        return _to_uint8((source + 1) / 2)

    def decode(self, fake: Tensor, source: Tensor) -> Tensor:
        return _to_uint8((fake + 1) / 2)


class Lab:
    """CIE Lab under D65: L / 50 - 1 is the source, (a, b) / 110 the target."""

    source_channels = 1
    target_channels = 2
    stored_channels = (3, 3)

    def encode_source(self, stored: Tensor) -> Tensor:
        return self._lab(stored)[:, :1] / 50 - 1

    def encode_target(self, stored: Tensor) -> Tensor:
        return self._lab(stored)[:, 1:] / 110

    def show_source(self, source: Tensor) -> Tensor:
        return self.decode(torch.zeros_like(source).repeat(1, 2, 1, 1), source)

    def decode(self, fake: Tensor, source: Tensor) -> Tensor:
        from kornia.color import lab_to_rgb

        return _to_uint8(lab_to_rgb(torch.cat([(source + 1) * 50, fake * 110], dim=1)))

    @staticmethod
    def _lab(stored: Tensor) -> Tensor:
        # kornia takes a moment to import, and only this task needs it.
        from kornia.color import rgb_to_lab

        return rgb_to_lab(stored.float() / 255)


def _to_uint8(unit: Tensor) -> Tensor:
    """[0, 1] to the nearest of 0 .. 255."""
    return (unit.float() * 255).round().clamp(0, 255).to(torch.uint8)
