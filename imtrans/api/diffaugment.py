"""Differentiable augmentation of what a discriminator sees, for small sets of pairs.

Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS 2020: where real
and fake images are augmented alike, in both phases, and gradients flow through it to the generator,
the discriminator cannot memorise the few real images, and the generator does not learn to make
augmented ones.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from imtrans.api.errors import ImtransError

Augmentation = Literal["color", "translation", "cutout"]
Pair = tuple[Tensor, Tensor]  # source and image, (N, C, H, W) each
Change = Callable[[Tensor], Tensor]

SHIFT = 1 / 8  # of a side, the most that a translation moves
HOLE = 1 / 2  # of a side
RGB = 3  # channels


def diffaugment(kinds: Sequence[Augmentation], *pairs: Pair) -> list[Pair]:
    """Pairs as a discriminator is to see them: all of them changed by the same draws, each (source,
    image) of a batch by draws of its own.

    `translation` moves source and image together, by up to an eighth of each side; `cutout` erases
    the same rectangle of both, of half of each side; what is empty is 0, which is grey. `color`
    changes brightness (by up to 0.5), saturation (times 0 to 2) and contrast (times 0.5 to 1.5) of
    the image alone, which must be RGB: a source is a condition, and may be labels. Images are not
    clipped to [-1, 1], as in the paper's code.

    Values are drawn on the device of the images. With no kinds, the pairs as they are.
    """
    if not kinds:
        return list(pairs)
    both, alone = _drawn(kinds, pairs[0][1])

    def changed(image: Tensor, changes: Sequence[Change]) -> Tensor:
        for change in changes:
            image = change(image)
        return image

    return [(changed(s, both), changed(changed(i, alone), both)) for s, i in pairs]


def check_colours(kinds: Sequence[Augmentation], channels: int) -> None:
    """Raise ImtransError where colours are to be changed of images that are not RGB."""
    if "color" in kinds and channels != RGB:
        raise ImtransError(
            f"method.diffaugment: 'color' changes RGB colours, and the target has {channels} "
            f"channel{'s' if channels != 1 else ''}; leave it out"
        )


@torch._disable_dynamo  # which would draw other numbers
def _drawn(kinds: Sequence[Augmentation], like: Tensor) -> tuple[list[Change], list[Change]]:
    """What is done to source and image, and to the image alone before that."""
    both: list[Change] = []
    alone: list[Change] = []
    for kind in kinds:
        if kind == "color":
            alone += _colours(like)
        else:
            both.append(_translation(like) if kind == "translation" else _cutout(like))
    return both, alone


def _uniform(like: Tensor) -> Tensor:
    """In [0, 1), one for each image: (N, 1, 1, 1), by shape, the same in any order of memory."""
    return torch.rand(len(like), 1, 1, 1, device=like.device)


def _colours(like: Tensor) -> list[Change]:
    added, saturation = _uniform(like) - 0.5, _uniform(like) * 2
    contrast = _uniform(like) + 0.5

    def brightened(image: Tensor) -> Tensor:
        return image + added

    def saturated(image: Tensor) -> Tensor:
        grey = image.mean(1, keepdim=True)
        return grey + (image - grey) * saturation

    def contrasted(image: Tensor) -> Tensor:
        mean = image.mean((1, 2, 3), keepdim=True)
        return mean + (image - mean) * contrast

    return [brightened, saturated, contrasted]


def _translation(like: Tensor) -> Change:
    rows, columns = (_shifted(like, axis) for axis in (2, 3))
    return lambda image: _moved(_moved(image, 2, *rows), 3, *columns)


def _shifted(like: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """Where each place along an axis is taken from, and whether that is within the image."""
    size = like.shape[axis]
    most = int(size * SHIFT + 0.5)
    shift = torch.randint(-most, most + 1, (len(like), 1), device=like.device)
    places = torch.arange(size, device=like.device) + shift
    inside = (places >= 0) & (places < size)
    # Each place is taken once, so that no gradients are added up in an order of chance.
    return _along(places % size, axis), _along(inside, axis)


def _along(values: Tensor, axis: int) -> Tensor:
    """(N, size) along an axis of images."""
    return values[:, None, :, None] if axis == 2 else values[:, None, None, :]


def _moved(image: Tensor, axis: int, places: Tensor, inside: Tensor) -> Tensor:
    return image.gather(axis, places.expand_as(image)) * inside


def _cutout(like: Tensor) -> Change:
    rows, columns = (_hole(like, axis) for axis in (2, 3))
    kept = ~(rows & columns)
    return lambda image: image * kept


def _hole(like: Tensor, axis: int) -> Tensor:
    """Which places along an axis are erased; at the border the hole is cut off."""
    size = like.shape[axis]
    hole = int(size * HOLE + 0.5)
    middle = torch.randint(0, size + 1 - hole % 2, (len(like), 1), device=like.device)
    places = torch.arange(size, device=like.device) - (middle - hole // 2)
    return _along((places >= 0) & (places < hole), axis)
