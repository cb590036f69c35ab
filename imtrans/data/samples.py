"""From a pair of pictures to a training sample: resize, then one crop and one flip for both halves.

Isola et al. 2017, section 6.2 ("random jitter"): both halves are resized to a square, 286 px in the
paper, whatever their aspect ratio; a random 256 px crop is cut out and mirrored half the time. What
else a recipe augments follows, and last the source is derived, where only photographs are stored.
"""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import torch
from torch import Tensor

from imtrans.data.decode import decode, take_half
from imtrans.data.draws import sample_draw
from imtrans.data.encoding import Side, wanted
from imtrans.data.resize import resize
from imtrans.errors import ImtransError
from imtrans.hookspecs import Augmentation, Derivation
from imtrans.pictures import Pair, Picture
from imtrans.schema import DataTable, SideTable

Sample = tuple[Tensor, Tensor]


class Sampler:
    """Reads pairs as (source, target), (C, crop_size, crop_size) each.

    They are stored pixels, uint8, int32 (for uint16) or float32; with a derivation they are float32
    in [-1, 1], as the networks see them.
    """

    def __init__(
        self,
        data: DataTable,
        seed: int,
        *,
        derivation: Derivation | None = None,
        augmentations: Sequence[Augmentation] = (),
    ) -> None:
        self.data, self.seed = data, seed
        self.derivation, self.augmentations = derivation, augmentations
        self.source, self.target = Side(data.source), Side(data.target)

    def training(self, pair: Pair, epoch: int, index: int) -> Sample:
        """The pair as this epoch sees it, jittered: a function of (seed, epoch, index) alone."""
        draw = sample_draw(self.seed, epoch, index)
        crop = self.data.crop_size
        source, target = self._read(pair, self.data.load_size or crop)
        height, width = target.shape[-2:]
        left, top = draw.randint(0, width - crop), draw.randint(0, height - crop)
        mirrored = self.data.flip and draw.random() < 0.5

        def cut(pixels: Tensor) -> Tensor:
            pixels = pixels[:, top : top + crop, left : left + crop]
            return (pixels.flip(-1) if mirrored else pixels).contiguous()

        source, target = self._augment(cut(source), cut(target), draw)
        return self._derive(source, target, draw)

    def plain(self, pair: Pair) -> Sample:
        """The pair at crop_size, without jitter; of a longer side the middle."""
        crop = self.data.crop_size
        source, target = self._read(pair, crop)
        top, left = ((side - crop) // 2 for side in target.shape[-2:])

        def middle(pixels: Tensor) -> Tensor:
            return pixels[:, top : top + crop, left : left + crop].contiguous()

        return self._derive(middle(source), middle(target), Random(f"{self.seed} {pair.name}"))

    def _read(self, pair: Pair, size: int) -> Sample:
        """Both sides at load size; without a stored source the target stands for both."""
        source, target = self._stored(pair)
        if source is target:
            fitted = self._fit(target, size, self.data.target)
            return fitted, fitted
        _same_shape(pair, source, target)
        return self._fit(source, size, self.data.source), self._fit(target, size, self.data.target)

    def _stored(self, pair: Pair) -> Sample:
        forth = self.data.direction == "AtoB"
        sources, targets = (pair.a, pair.b) if forth else (pair.b, pair.a)
        if self.data.source == self.data.target and _are_halves(pair):
            return self._halves(sources[0], targets[0])  # of one file: it is decoded once
        target = self._side(targets, self.data.target)
        return target if self.derivation else self._side(sources, self.data.source), target

    def _halves(self, source: Picture, target: Picture) -> Sample:
        whole = self._side([replace(target, half=None)], self.data.target)
        try:
            return take_half(whole, source.half), take_half(whole, target.half)
        except ImtransError as error:
            raise ImtransError(f"{target}: {error}") from error

    def _side(self, pictures: Sequence[Picture], side: SideTable) -> Tensor:
        if len(pictures) == 1:
            return decode(pictures[0], wanted(self.data, side))
        each = wanted(self.data, side.model_copy(update={"channels": None}))
        parts = [decode(picture, each) for picture in pictures]
        for picture, part in zip(pictures, parts, strict=True):
            if part.shape[1:] != parts[0].shape[1:]:
                raise ImtransError(f"{picture}: {_size(part)}; {pictures[0]}: {_size(parts[0])}")
        joined = torch.cat(parts)
        if len(joined) != side.channels:
            raise ImtransError(
                f"{', '.join(map(str, pictures))}: {len(joined)} channels together; "
                f"the recipe says channels = {side.channels}"
            )
        return joined

    def _fit(self, pixels: Tensor, size: int, side: SideTable) -> Tensor:
        height, width = pixels.shape[-2:]
        if self.data.resize == "square":
            return resize(pixels, size, size, side.resample)
        scale = size / min(height, width)
        return resize(pixels, round(height * scale), round(width * scale), side.resample)

    def _augment(self, source: Tensor, target: Tensor, draw: Random) -> Sample:
        for augmentation in self.augmentations:
            # Equal draws for both halves: they move alike, whatever the augmentation does.
            key = draw.getrandbits(64)
            if augmentation.sides == "both":
                target = _augmented(target, self.target, augmentation, key)
            if not self.derivation:  # which makes the source of the target, later
                source = _augmented(source, self.source, augmentation, key)
        return source, target

    def _derive(self, source: Tensor, target: Tensor, draw: Random) -> Sample:
        if self.derivation is None:
            return source, target
        photo = self.target.to_unit(target)
        derived = self.derivation.derive(photo, draw)
        for augmentation in self.augmentations:
            if augmentation.sides == "source":
                # A fourth channel is a mask, and no colour.
                colour = (derived[:3] + 1) / 2
                colour = augmentation(colour, Random(draw.getrandbits(64)), "bilinear") * 2 - 1
                derived = torch.cat([colour, derived[3:]])
        return derived, self.derivation.target(photo)


def _augmented(pixels: Tensor, side: Side, augmentation: Augmentation, key: int) -> Tensor:
    resample = "nearest" if side.table.resample == "nearest" else "bilinear"
    return side.from_unit(augmentation(side.to_unit(pixels), Random(key), resample))


def _are_halves(pair: Pair) -> bool:
    if len(pair.a) != 1 or len(pair.b) != 1 or pair.a[0].half is None:
        return False
    return replace(pair.a[0], half=None) == replace(pair.b[0], half=None)


def _same_shape(pair: Pair, source: Tensor, target: Tensor) -> None:
    """One half may be larger than the other, but not of another shape: it would be squeezed."""
    (source_height, source_width), (height, width) = source.shape[-2:], target.shape[-2:]
    off = abs(source_width * height - width * source_height)
    if off > max(source_width, source_height, width, height):
        raise ImtransError(
            f"{pair.a[0]} and {pair.b[0]}: the source is {_size(source)}, the target "
            f"{_size(target)}: not the same shape. crop one of them"
        )


def _size(pixels: Tensor) -> str:
    return f"{pixels.shape[-1]} x {pixels.shape[-2]}"
