"""Label maps: stored colours or numbers as one channel for each class, and borders as one more.

The borders between instances are an input of Wang et al., "High-Resolution Image Synthesis and
Semantic Manipulation with Conditional GANs", CVPR 2018, section 3.3: a pixel is on one where its
instance is not that of one of its four neighbours. They separate cars in a row, which all have one
class.
"""

import colorsys

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from imtrans.recipe.side_table import SideTable

GOLDEN = 0.618034  # of a turn between the hues of two classes: neighbours are never alike


class LabelMap:
    """Between the stored pixels of a label map and channels in [-1, 1].

    `colours` (K, C) are those of the K classes. The network sees K channels, 1 in that of the
    pixel's class and -1 in others, and, with data.source.borders, one that is 1 on borders.
    """

    def __init__(self, table: SideTable) -> None:
        assert table.classes
        self.colours = torch.tensor(table.classes)
        self.count, self.stored_channels = self.colours.shape
        self.has_borders, self.instances = table.borders, table.instances
        self.channels = self.count + table.borders
        self._there: dict[torch.device, Tensor] = {}
        # What each number is: a table is faster than a distance to every class.
        self._of_number: Tensor | None = None
        if self.stored_channels == 1 and table.dtype != "float32":
            values = torch.arange(2**8 if table.dtype == "uint8" else 2**16)
            self._of_number = (values[:, None] - self.colours[:, 0]).abs().argmin(dim=1)
        self._tables: dict[torch.device, Tensor] = {}

    def encode(self, stored: Tensor) -> Tensor:
        """Stored pixels (..., C, H, W) as the network sees them: float32 (..., channels, H, W)."""
        classes = self._nearest(self.without_instances(stored))
        seen = one_hot(classes, self.count).movedim(-1, -3).float()
        if self.has_borders:
            seen = torch.cat([seen, self.borders(stored, classes).unsqueeze(-3)], dim=-3)
        return seen * 2 - 1

    def without_instances(self, stored: Tensor) -> Tensor:
        """The colours or numbers of classes alone, (..., C, H, W)."""
        if self.instances is None:
            return stored
        if self.instances == "channel":
            return stored[..., :-1, :, :]
        classes = stored.div(self.instances, rounding_mode="floor").to(stored.dtype)
        return torch.where(stored >= self.instances, classes, stored)

    def borders(self, stored: Tensor, classes: Tensor) -> Tensor:
        """Where a class (..., H, W), or an instance, borders on another: 0 or 1."""
        if self.instances is None:
            return borders(classes)
        # The last channel: a number of class and instance, or of the instance alone.
        return torch.maximum(borders(classes), borders(stored[..., -1, :, :]))

    def decode(self, image: Tensor) -> Tensor:
        """The colour of the largest channel of each pixel: (..., C, H, W), int64."""
        return self._on(image.device)[self._largest(image)].movedim(-1, -3)

    def show(self, image: Tensor) -> Tensor:
        """What a network sees or makes (channels, H, W) in colours, as uint8 (3, H, W): of numbers
        each has one that is easily told from others. Borders are white."""
        shown = self.shown_colours[self._largest(image).cpu()].movedim(-1, -3)
        if len(image) > self.count:
            shown = torch.where(image[-1:].cpu() > 0, 255, shown)
        return shown.to(torch.uint8)

    @property
    def shown_colours(self) -> Tensor:
        """The colours (K, 3) that `show` gives to the classes."""
        if self.stored_channels == 3 and int(self.colours.max()) < 256:
            return self.colours
        hues = (colorsys.hsv_to_rgb(n * GOLDEN % 1, 0.75, 0.9) for n in range(self.count))
        return (torch.tensor([*hues]) * 255).round().long()

    def _largest(self, image: Tensor) -> Tensor:
        return image[..., : self.count, :, :].argmax(dim=-3)

    def _on(self, device: torch.device) -> Tensor:
        """The colours on a device, copied there once: a CUDA graph can record no such copy."""
        if device not in self._there:
            self._there[device] = self.colours.to(device)
        return self._there[device]

    def _nearest(self, stored: Tensor) -> Tensor:
        """The index of the nearest colour: JPEG blurs the colours of a label map."""
        if self._of_number is not None:
            return self._table_on(stored.device)[stored[..., 0, :, :].int()]
        pixels = stored.movedim(-3, -1).float()
        away = torch.cdist(pixels.flatten(-3, -2), self._on(pixels.device).float())
        return away.argmin(dim=-1).view(pixels.shape[:-1])

    def _table_on(self, device: torch.device) -> Tensor:
        assert self._of_number is not None
        if device not in self._tables:
            self._tables[device] = self._of_number.to(device)
        return self._tables[device]


def borders(values: Tensor) -> Tensor:
    """1.0 where values (..., H, W) are not those of one of their four neighbours, else 0.0."""
    down = (values[..., 1:, :] != values[..., :-1, :]).float()
    across = (values[..., 1:] != values[..., :-1]).float()
    vertical = torch.maximum(pad(down, (0, 0, 1, 0)), pad(down, (0, 0, 0, 1)))
    return torch.maximum(vertical, torch.maximum(pad(across, (1, 0)), pad(across, (0, 1))))
