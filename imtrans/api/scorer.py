"""A segmenter that labels photographs, and its file: what an FCN score is measured with.

Isola et al. 2017 (section 4.1) let FCN-8s, trained on real photographs, label what was made from
labels: what is realistic is recognised. Here a small U-Net is trained on the pairs of the task
itself, by `imtrans train-scorer`. Its score of the real photographs is the ceiling.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, pixel_unshuffle

from imtrans.api.errors import ImtransError

KIND = "imtrans scorer"
MULTIPLE, LARGEST = 32, 4096  # px: the sides that a segmenter takes
WIDTHS = (24, 48, 96, 144, 192)
Palette = Sequence[Sequence[int]]


class Segmenter(nn.Module):
    """A U-Net that gives logits (N, classes, H, W) of pictures (N, 3, H, W) in [-1, 1]; H and W are
    multiples of 32. It works at half the resolution, which takes a quarter of the time."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            _block(before, width) for before, width in zip((12, *WIDTHS), WIDTHS, strict=False)
        )
        self.up = nn.ModuleList(
            _block(below + width, width)
            for below, width in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        )
        self.last = nn.Conv2d(WIDTHS[0], classes, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        skips, x = [], pixel_unshuffle(pictures, 2)
        for depth, block in enumerate(self.down):
            x = block(max_pool2d(x, 2) if depth else x)
            skips.append(x)
        for block, skip in zip(self.up, skips[-2::-1], strict=True):
            x = block(torch.cat([interpolate(x, scale_factor=2.0), skip], 1))
        return interpolate(self.last(x), scale_factor=2.0, mode="bilinear")


def _block(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )


class Scorer:
    """A trained segmenter, the colours of its classes, and the size at which it sees pictures."""

    def __init__(
        self, network: Segmenter, palette: Palette, size: int, facts: Mapping[str, str]
    ) -> None:
        """`size`: px; both sides of a picture are brought to it."""
        self.network, self.size, self.facts = network.eval(), size, dict(facts)
        self.palette = torch.tensor([list(colour) for colour in palette], dtype=torch.float32)

    @property
    def classes(self) -> int:
        return len(self.palette)

    @property
    def sum(self) -> str:
        """A sum over the weights: of what scores are."""
        weights = b"".join(w.cpu().numpy().tobytes() for w in self.network.state_dict().values())
        return hashlib.sha256(weights).hexdigest()[:16]

    def to(self, device: torch.device) -> "Scorer":
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    @torch.inference_mode()
    def labels(self, pictures: Tensor) -> Tensor:
        """The classes (N, size, size) that pictures (N, 3, H, W) in [-1, 1] are seen as."""
        at = interpolate(pictures, (self.size, self.size), mode="bilinear", antialias=True)
        found: Tensor = self.network(at).argmax(1)
        return found

    def classes_of(self, maps: Tensor) -> Tensor:
        """The classes (N, size, size) of label maps as pictures (N, 3, H, W) in [-1, 1]: of each
        pixel the nearest colour."""
        found = nearest_colour(maps, self.palette)
        at = interpolate(found[:, None].float(), (self.size, self.size), mode="nearest-exact")
        return at[:, 0].long()

    def save(self) -> bytes:
        """The content of a safetensors file."""
        about = {
            "kind": KIND,
            "palette": json.dumps(self.palette.long().tolist()),
            "size": str(self.size),
        }
        tensors = {key: value.contiguous() for key, value in self.network.state_dict().items()}
        return save(tensors, {**self.facts, **about})

    @classmethod
    def load(cls, path: str | Path) -> "Scorer":
        """The scorer in a file. Raises ImtransError where there is none, or it is damaged."""
        facts = cls.facts_of(path)
        try:
            palette, size = json.loads(facts["palette"]), int(facts["size"])
            _check(palette, size)
            network = Segmenter(len(palette))
            with safe_open(path, framework="pt") as file:
                network.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
            return cls(network, palette, size, facts)
        except (OSError, SafetensorError, RuntimeError, ValueError, TypeError, KeyError) as error:
            raise ImtransError(
                f"{path}: a damaged scorer; train it again with `imtrans train-scorer`"
            ) from error

    @staticmethod
    def facts_of(path: str | Path) -> dict[str, str]:
        """What a scorer's file says about itself. Raises ImtransError where it is none."""
        try:
            with safe_open(path, framework="pt") as file:
                facts: dict[str, str] = file.metadata() or {}
        except FileNotFoundError as error:
            raise ImtransError(
                f"{path}: no such file; `imtrans train-scorer RECIPE` makes a scorer"
            ) from error
        except (OSError, SafetensorError) as error:
            raise ImtransError(f"{path}: not a safetensors file, and no scorer") from error
        if facts.get("kind") != KIND:
            raise ImtransError(f"{path}: no scorer; `imtrans train-scorer RECIPE` makes one")
        return facts


def _check(palette: Palette, size: int) -> None:
    """Raise ValueError or TypeError unless a segmenter takes the size, and colours are colours."""
    levels = [level for colour in palette for level in colour]
    if not palette or any(len(colour) != 3 for colour in palette):
        raise ValueError("a colour has three levels")
    if not all(0 <= level <= 255 for level in levels):
        raise ValueError("a level is from 0 to 255")
    if size % MULTIPLE or not MULTIPLE <= size <= LARGEST:
        raise ValueError(f"the size is {size} px")


def nearest_colour(maps: Tensor, palette: Tensor) -> Tensor:
    """Of each pixel of pictures (N, 3, H, W) in [-1, 1] the number of the nearest colour of a
    palette (K, 3) in 0 ... 255: (N, H, W)."""
    pixels = ((maps + 1) * 127.5).movedim(1, -1)
    colours = palette.to(maps.device)
    found = torch.cdist(pixels.flatten(1, 2), colours[None]).argmin(-1)
    return found.view(pixels.shape[:-1])
