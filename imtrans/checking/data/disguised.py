"""Validation pairs that are training pairs in disguise: turned, mirrored or recoloured.

A training pair's thumbnail is turned in all eight ways, and compared with those for validation by
the correlation of each channel, which brightness, contrast and white balance do not change. Both
sides must agree.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imtrans.checking.data.inspected_pair import InspectedPair
from imtrans.checking.data.pixel_summary import THUMB

Floats = NDArray[np.float32]

# Correlation of the thumbnails of one picture: 0.99 in the real sets, after any of TURNS and other
# colours; of two pictures at most 0.80.
ALIKE = 0.95
FLAT = 1.5  # levels of contrast below which a channel cannot be recognised
MOST = 20_000  # training pairs, spread over the set, with which those for validation are compared

TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": lambda image: image,
    "mirrored": lambda image: image.flip(-1),
    "upside down": lambda image: image.flip(-2),
    "turned by half": lambda image: image.flip(-1, -2),
    "turned left": lambda image: image.rot90(1, (-2, -1)),
    "turned right": lambda image: image.rot90(-1, (-2, -1)),
    "turned left and mirrored": lambda image: image.rot90(1, (-2, -1)).flip(-1),
    "turned right and mirrored": lambda image: image.rot90(-1, (-2, -1)).flip(-1),
}


class Disguise(NamedTuple):
    """A validation pair, by its index, and the training pair that it is."""

    validation: int
    training: int
    words: str  # what was done to it
    correlation: float


def disguised(
    training: Sequence[InspectedPair], validation: Sequence[InspectedPair]
) -> list[Disguise]:
    """The pairs for validation that are training pairs, each once; all were decoded, and have both
    sides."""
    if not training or not validation:
        return []
    spread = slice(None, None, -(-len(training) // MOST))
    known, thumbs = normalised(thumbnails(validation)), thumbnails(training[spread])
    best = [Disguise(index, -1, "", -1.0) for index in range(len(validation))]
    for words, turn in TURNS.items():
        alike = correlation(known, normalised(turn(thumbs)))
        for index, place in enumerate(alike.argmax(1)):
            found = float(alike[index, place])
            if found > best[index].correlation:
                best[index] = Disguise(index, int(place) * (spread.step or 1), words, found)
    return [disguise for disguise in best if disguise.correlation >= ALIKE]


def thumbnails(pairs: Sequence[InspectedPair]) -> Tensor:
    """(pairs, sides, 3, THUMB, THUMB)"""
    content = [b"".join(side.summary.thumb for side in p.sides if side.summary) for p in pairs]
    flat = np.stack([np.frombuffer(thumbs, np.uint8) for thumbs in content])
    return torch.from_numpy(flat.astype(np.float32)).reshape(len(pairs), -1, 3, THUMB, THUMB)


def normalised(thumbs: Tensor) -> Floats:
    """(sides, pairs, values): every channel with mean 0, all of a side of length 1."""
    channels = thumbs.flatten(3)
    channels = channels - channels.mean(3, keepdim=True)
    contrast = channels.square().mean(3, keepdim=True).sqrt()
    channels = torch.where(contrast >= FLAT, channels / contrast.clamp_min(1e-6), 0.0)
    sides = channels.flatten(2).permute(1, 0, 2)
    return np.asarray((sides / sides.norm(dim=2, keepdim=True).clamp_min(1e-6)).numpy())


def correlation(one: Floats, other: Floats) -> Floats:
    """(of one, of other): the smaller of both sides'."""
    alike: Floats = np.stack([a @ b.T for a, b in zip(one, other, strict=True)]).min(0)
    return alike
