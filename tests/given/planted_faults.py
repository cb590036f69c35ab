"""Faults as they happen to data sets, to plant in pairs: uint8 (3, H, W) tensors in, and out."""

import io
import random

import numpy as np
import torch
from PIL import Image
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


def saved_again(image: Tensor) -> Tensor:
    """As JPEG."""
    file = io.BytesIO()
    _picture(image).save(file, "JPEG", quality=85)
    return _tensor(Image.open(file))


def quarter_turn(image: Tensor) -> Tensor:
    return image.rot90(1, (1, 2)).contiguous()


def cut_to_a_part(image: Tensor) -> Tensor:
    """Without a fifth of its height and width, at the size it had."""
    height, width = image.shape[1:]
    part = image[:, height // 8 : height // 8 + height * 4 // 5, : width * 4 // 5]
    return _tensor(_picture(part).resize((width, height), Image.Resampling.BICUBIC))


def recoloured(image: Tensor) -> Tensor:
    """Another white balance, contrast and brightness."""
    factors = torch.tensor([1.15, 0.95, 0.75])[:, None, None]
    return (image * factors + 10).clamp(0, 255).to(torch.uint8)


def _picture(image: Tensor) -> Image.Image:
    return Image.fromarray(image.permute(1, 2, 0).numpy())


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1).contiguous()
