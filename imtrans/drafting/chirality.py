"""Whether mirrored pictures can be distinguished from those that are there.

Where they can, left and right matter: text, light that always falls from one side, shoes that all
point the same way. A training on mirrored copies would learn pictures that never occur. The idea is
that of Lin et al. 2020, "Visual Chirality" (arXiv 2006.09512), who train a deep network for it; for
some dozens of pictures a linear classifier on few features does.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, conv2d, interpolate, pad, relu

SIDE = 96  # px of the whole picture, made small
DETAIL = 128  # px of its middle, as it is: where small text is legible
GRID = 8  # brightness is looked at in GRID x GRID cells
FILTERS, WIDE = 32, 5  # random filters, and their size (px)
SCALES = (1, 2, 4)
LEVELS = (0.5, 2.0)  # standard deviations above which a filter's answer counts
FOLDS = 8
DAMPING = 0.1  # of the mean squared feature: pictures are fewer than features
FEWEST = 10  # pictures: from fewer nothing can be concluded
SURE, CHANCE = 0.9, 1e-3  # share that must be right, and how rarely chance may do as well


class Chirality(NamedTuple):
    """How many pictures are distinguished from their mirrored copies, by what others show."""

    right: int = 0
    of: int = 0

    @property
    def share(self) -> float:
        return self.right / self.of if self.of else 0.0

    @property
    def seen(self) -> bool:
        """Whether left and right surely differ."""
        return self.of >= FEWEST and self.right >= SURE * self.of and self.chance < CHANCE

    @property
    def chance(self) -> float:
        """The probability of as many right answers by tossing a coin."""
        return sum(math.comb(self.of, k) for k in range(self.right, self.of + 1)) / 2**self.of


def chirality(views: Sequence[Tensor]) -> Chirality:
    """Learn from some of these pictures, uint8 (3, h, w), which way round they are, and try it on
    the others, in turns."""
    if len(views) < FEWEST:
        return Chirality(0, len(views))
    # What speaks for a picture speaks against its mirrored copy, so no constant is learned.
    odd = torch.stack([_odd_features(view) for view in views]).double()
    similar = odd @ odd.T
    # More than nothing, for pictures of one colour, which have no features.
    damped = similar + (DAMPING * similar.diagonal().mean() + 1e-9) * torch.eye(len(views))
    fold = torch.arange(len(views)) % FOLDS
    right = 0
    for number in range(FOLDS):
        learned, tried = fold != number, fold == number
        ones = torch.ones(int(learned.sum()), dtype=damped.dtype)
        weights = torch.linalg.solve(damped[learned][:, learned], ones)
        right += int((similar[tried][:, learned] @ weights > 0).sum())
    return Chirality(right, len(views))


def _odd_features(view: Tensor) -> Tensor:
    """What differs between a picture and its mirrored copy; each kind counts the same."""
    grey = view.float().mean(0)[None, None]
    # Mirrored before it is cut: what cutting and filling do to one side is no difference then.
    both = zip(_features(grey), _features(grey.flip(3)), strict=True)
    differences = [one - mirrored for one, mirrored in both]
    return torch.cat([one / (one.norm() + 1e-6) for one in differences])


def _whole(grey: Tensor) -> Tensor:
    return interpolate(grey, (SIDE, SIDE), mode="bilinear", antialias=True)


def _middle(grey: Tensor) -> Tensor:
    """A square of DETAIL px; small pictures are continued with their mean."""
    height, width = grey.shape[-2:]
    top, left = max(height - DETAIL, 0) // 2, max(width - DETAIL, 0) // 2
    cut = grey[..., top : top + DETAIL, left : left + DETAIL]
    missing = DETAIL - cut.shape[-1], DETAIL - cut.shape[-2]
    around = [part for one in missing for part in (one // 2, one - one // 2)]
    return pad(cut, around, value=float(cut.mean()))


def _features(grey: Tensor) -> list[Tensor]:
    return [*_features_of(_whole(grey)), *_features_of(_middle(grey))]


def _features_of(part: Tensor) -> list[Tensor]:
    """Where it is bright; and how strongly it has each of many random structures, anywhere."""
    even = (part - part.mean()) / (part.std() + 1e-3)
    found = [adaptive_avg_pool2d(even, GRID).flatten()]
    for scale in SCALES:
        answers = conv2d(avg_pool2d(even, scale), _filters())
        found += [relu(answers - level).mean((0, 2, 3)) for level in LEVELS]
    return found


@cache
def _filters() -> Tensor:
    drawn = torch.randn(FILTERS, 1, WIDE, WIDE, generator=torch.Generator().manual_seed(0))
    drawn -= drawn.mean((2, 3), keepdim=True)
    return drawn / drawn.flatten(1).norm(dim=1)[:, None, None, None]
