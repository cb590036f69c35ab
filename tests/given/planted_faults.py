"""Faults as they happen to data sets, to plant in pairs: uint8 (3, H, W) tensors in, and out."""

import random

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


def shuffled(pairs: list[Pair], indices: list[int]) -> list[Pair]:
    """The targets of these pairs, each moved on to the next one's source."""
    planted = list(pairs)
    for here, there in zip(indices, [*indices[1:], *indices[:1]], strict=True):
        planted[here] = (pairs[here][0], pairs[there][1])
    return planted


def chosen(count: int, share: float, seed: int) -> list[int]:
    """In any order; at least two."""
    return random.Random(seed).sample(range(count), min(count, max(2, round(share * count))))


def mirrored(image: Tensor) -> Tensor:
    return image.flip(2)


def upside_down(image: Tensor) -> Tensor:
    return image.flip(1)


def turned_by_half(image: Tensor) -> Tensor:
    return image.flip(1, 2)


def blue_first(image: Tensor) -> Tensor:
    return image.flip(0)


def inverted(image: Tensor) -> Tensor:
    return 255 - image


def dark(image: Tensor) -> Tensor:
    return (image.float() * 0.25).to(torch.uint8)


def grey(image: Tensor) -> Tensor:
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    return (image * weights).sum(0).round().to(torch.uint8).expand(3, -1, -1).contiguous()


def cut_off(image: Tensor) -> Tensor:
    """The lower half is grey, as decoders fill up a JPEG that ends early."""
    result = image.clone()
    result[:, image.shape[1] // 2 :] = 128
    return result
