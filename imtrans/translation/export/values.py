"""What an exported file takes and gives: stored values, or what the network itself sees.

The layers here are parts of the exported graph, and work on batches. What they compute is that of
`imtrans.data.encoding`, image by image.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

from imtrans.api.hookspecs import Derivation
from imtrans.data.encoding import Derived, Direct, Encoding, Side
from imtrans.data.label_maps import LabelMap

# pixels: as files store them, of the recipe's range; network: what the network sees, [-1, 1].
Values = Literal["pixels", "network"]


class Range(nn.Module):
    """Stored values of a range, and that range as -1 ... 1."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def encode(self, stored: Tensor) -> Tensor:
        return (stored - self.low) / (self.high - self.low) * 2 - 1

    def decode(self, image: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        """What is beyond the range is clamped; nothing is rounded."""
        return (((image + 1) / 2).clamp(0, 1) * (self.high - self.low) + self.low,)

    def unit(self, made: tuple[Tensor, ...]) -> Tensor:
        """What the network made, back from what `decode` gave."""
        return self.encode(made[0])

    def drawn(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Random stored values."""
        return torch.rand(shape, generator=generator) * (self.high - self.low) + self.low


class Colours(nn.Module):
    """A label map, (N, C, H, W), and what the network sees of it: see `LabelMap`."""

    palette: Tensor

    def __init__(self, labels: LabelMap) -> None:
        super().__init__()
        self.labels = labels
        self.register_buffer("palette", labels.colours.float())

    @property
    def channels(self) -> int:
        """Of what is stored."""
        return self.labels.stored_channels + (self.labels.instances == "channel")

    def encode(self, stored: Tensor) -> Tensor:
        """Of the nearest colour."""
        colours = self.labels.without_instances(stored)
        away = (colours[:, None] - self.palette[:, :, None, None]).square().sum(dim=2)
        numbers = torch.arange(len(self.palette), device=stored.device)[:, None, None]
        classes = away.argmin(dim=1, keepdim=True)
        seen = (classes == numbers).float()
        if self.labels.has_borders:
            seen = torch.cat([seen, self.labels.borders(stored, classes[:, 0])[:, None]], dim=1)
        return seen * 2 - 1

    def decode(self, image: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        """The colour of the largest channel, and all channels."""
        return self.palette[image[:, : len(self.palette)].argmax(dim=1)].movedim(-1, 1), image

    def unit(self, made: tuple[Tensor, ...]) -> Tensor:
        return made[1]

    def drawn(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        count, _, height, width = shape
        index = torch.randint(len(self.palette), (count, height, width), generator=generator)
        stored, instances = self.palette[index].movedim(-1, 1), self.labels.instances
        # Numbers of instances in large blocks, so that they border on each other.
        blocks = torch.randint(2, (count, 1, -(-height // 8), -(-width // 8)), generator=generator)
        numbers = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)[..., :height, :width]
        if instances == "channel":
            stored = torch.cat([stored, numbers.float()], dim=1)
        elif instances is not None:
            stored = torch.where(numbers > 0, stored * instances + numbers, stored)
        return stored.contiguous()


class AsSeen(Range):
    """What the network sees and makes, as it is."""

    def __init__(self) -> None:
        super().__init__(-1, 1)

    def encode(self, stored: Tensor) -> Tensor:
        return stored

    def decode(self, image: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        return (image,)


class Photographs(Range):
    """What a derivation makes of photographs, RGB in 0 ... 255, and the photographs it composes.

    A derivation takes one picture. All of a batch, one below the other, are one too, for a
    derivation whose every pixel depends on that pixel alone.
    """

    def __init__(self, derivation: Derivation, channels: int) -> None:
        super().__init__(0, 255)
        self.derivation, self.channels = derivation, channels

    def encode(self, stored: Tensor) -> Tensor:
        # Of a shape: a len would be a constant of the graph.
        return _apart(self.derivation.given(_below(stored / 255)), stored.shape[0])

    def decode(self, image: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        photo = self.derivation.compose(_below(image), _below(seen))
        return (_apart(photo.clamp(0, 1) * 255, image.shape[0]),)

    def unit(self, made: tuple[Tensor, ...]) -> Tensor:
        return made[0] / 127.5 - 1

    def fits(self) -> bool:
        """Whether the derivation does so, and keeps the size of a picture."""
        photos = self.drawn((2, self.channels, 8, 12), torch.Generator().manual_seed(0))
        try:
            seen = torch.stack([self.derivation.given(photo / 255) for photo in photos])
            return torch.equal(self.encode(photos), seen) and seen.shape[2:] == photos.shape[2:]
        except Exception:  # whatever a plugin's derivation does with another size than its own
            return False


def _below(images: Tensor) -> Tensor:
    """Images (N, C, H, W) as one, (C, N * H, W)."""
    count, channels, height, width = images.shape
    # Without the copy, the exported program would be one for a batch of one image, or for others.
    rows = images.transpose(0, 1).clone(memory_format=torch.contiguous_format)
    return rows.view(channels, count * height, width)


def _apart(image: Tensor, count: int) -> Tensor:
    """The reverse."""
    channels, rows, width = image.shape
    images = image.reshape(channels, count, rows // count, width).transpose(0, 1)
    return images.clone(memory_format=torch.contiguous_format)


Form = Range | Colours


def forms(encoding: Encoding, values: Values) -> tuple[Form, Form]:
    """What source and output are in the file. What the network sees where stored values are not
    wanted, or where the recipe's derivation cannot be a part of the graph."""
    if values == "pixels" and isinstance(encoding, Direct):
        return _form(encoding.source), _form(encoding.target)
    if values == "pixels" and isinstance(encoding, Derived):
        photographs = Photographs(encoding.derivation, 4 if encoding.takes_mask else 3)
        if photographs.fits():
            return photographs, photographs
    return AsSeen(), AsSeen()


def _form(side: Side) -> Form:
    return Range(side.low, side.high) if side.labels is None else Colours(side.labels)


def described(form: Form, channels: int) -> dict[str, Any]:
    """An input or output for whoever feeds the file, to be written as JSON."""
    about = {"layout": "NCHW", "dtype": "float32", "channels": channels}
    if isinstance(form, Colours):
        palette = [[int(value) for value in colour] for colour in form.palette]
        labels = form.labels
        about |= {"instances": labels.instances} if labels.instances is not None else {}
        return about | {"classes": palette}
    return about | {"range": [form.low, form.high]}


def channels_taken(form: Form, encoding: Encoding) -> int:
    """The channels of a source in this form."""
    if isinstance(form, Photographs):
        return form.channels
    return form.channels if isinstance(form, Colours) else encoding.source_channels


def channels_given(form: Form, encoding: Encoding) -> int:
    """The channels of an output in this form."""
    return encoding.target_channels if isinstance(form, AsSeen) else encoding.result_channels
