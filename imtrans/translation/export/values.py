"""What an exported file takes and gives: stored values, or what the network itself sees.

The layers here are parts of the exported graph. They compute what `data.encoding.Side` computes.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from imtrans.data.encoding import Direct, Encoding, Side

# pixels: as files store them, of the recipe's range; network: what the network sees, [-1, 1].
Values = Literal["pixels", "network"]


class Range(nn.Module):
    """Stored values of a range, and that range as -1 ... 1."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def encode(self, stored: Tensor) -> Tensor:
        return (stored - self.low) / (self.high - self.low) * 2 - 1

    def decode(self, image: Tensor) -> tuple[Tensor, ...]:
        """What is beyond the range is clamped; nothing is rounded."""
        return (((image + 1) / 2).clamp(0, 1) * (self.high - self.low) + self.low,)

    def unit(self, made: tuple[Tensor, ...]) -> Tensor:
        """What the network made, back from what `decode` gave."""
        return self.encode(made[0])

    def drawn(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Random stored values."""
        return torch.rand(shape, generator=generator) * (self.high - self.low) + self.low


class Colours(nn.Module):
    """The colours of a label map, (N, C, H, W), and a channel for each: 1 in its own, else -1."""

    palette: Tensor

    def __init__(self, palette: Tensor) -> None:
        super().__init__()
        self.register_buffer("palette", palette.float())

    def encode(self, stored: Tensor) -> Tensor:
        """Of the nearest colour."""
        away = (stored[:, None] - self.palette[:, :, None, None]).square().sum(dim=2)
        numbers = torch.arange(len(self.palette), device=stored.device)[:, None, None]
        return (away.argmin(dim=1, keepdim=True) == numbers).float() * 2 - 1

    def decode(self, image: Tensor) -> tuple[Tensor, ...]:
        """The colour of the largest channel, and all channels."""
        return self.palette[image.argmax(dim=1)].movedim(-1, 1), image

    def unit(self, made: tuple[Tensor, ...]) -> Tensor:
        return made[1]

    def drawn(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        count, _, height, width = shape
        index = torch.randint(len(self.palette), (count, height, width), generator=generator)
        return self.palette[index].movedim(-1, 1).contiguous()


class Seen(Range):
    """What the network sees and makes, as it is."""

    def __init__(self) -> None:
        super().__init__(-1, 1)

    def encode(self, stored: Tensor) -> Tensor:
        return stored

    def decode(self, image: Tensor) -> tuple[Tensor, ...]:
        return (image,)


Form = Range | Colours


def forms(encoding: Encoding, values: Values) -> tuple[Form, Form]:
    """What source and output are in the file. A source that is derived from photographs has no
    stored values: its derivation is not in the graph."""
    if values == "network" or not isinstance(encoding, Direct):
        return Seen(), Seen()
    return _form(encoding.source), _form(encoding.target)


def _form(side: Side) -> Form:
    return Range(side.low, side.high) if side.palette is None else Colours(side.palette)


def described(form: Form, name: str, channels: int) -> dict[str, Any]:
    """An input or output for whoever feeds the file, to be written as JSON."""
    about: dict[str, Any] = {"name": name, "layout": "NCHW", "dtype": "float32"}
    if isinstance(form, Colours):
        palette = [[int(value) for value in colour] for colour in form.palette]
        return about | {"channels": len(palette[0]), "classes": palette}
    return about | {"channels": channels, "range": [form.low, form.high]}
