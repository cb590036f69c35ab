"""From a pair of pictures to a training sample: resize, then one crop and one flip for both halves.

Isola et al. 2017, section 6.2 ("random jitter"): both halves are resized to a square, 286 px in the
paper, whatever their aspect ratio; a random 256 px crop is cut out and mirrored half the time. What
else a recipe augments follows, and last the source is derived, where only photographs are stored.
"""

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

from imtrans.api.hookspecs import Augmentation, Derivation
from imtrans.api.pictures import Pair
from imtrans.data.cache.cache import Cache
from imtrans.data.draws import sample_draw
from imtrans.data.encoding import Side
from imtrans.data.pixels.resize import Window
from imtrans.data.reading import Reader, Sample
from imtrans.recipe.schema import DataTable


class Sampler:
    """Makes training samples of pairs: (source, target), (C, crop_size, crop_size) each.

    They are stored pixels, uint8, int32 (for uint16) or float32; with a derivation they are float32
    in [-1, 1], as the networks see them. With a `cache` of the training pairs no file is opened;
    the samples are the same.
    """

    def __init__(
        self,
        data: DataTable,
        seed: int,
        *,
        derivation: Derivation | None = None,
        augmentations: Sequence[Augmentation] = (),
        cache: Cache | None = None,
    ) -> None:
        self.data, self.seed = data, seed
        self.derivation, self.augmentations = derivation, augmentations
        self.source, self.target = Side(data.source), Side(data.target)
        self.reader, self.cache = Reader(data), cache

    def reading(self, cache: Cache | None) -> "Sampler":
        """The same sampler, reading from a cache of the training pairs."""
        return Sampler(
            self.data,
            self.seed,
            derivation=self.derivation,
            augmentations=self.augmentations,
            cache=cache,
        )

    @property
    def load_size(self) -> int:
        """The size at which pairs are read for training (px)."""
        return self.data.load_size or self.data.crop_size

    @property
    def quick(self) -> bool:
        """Whether a training sample takes microseconds: it is cut out of the cache, no more."""
        return bool(self.cache) and not self.derivation and not self.augmentations

    def training(self, pair: Pair, epoch: int, index: int) -> Sample:
        """The pair as this epoch sees it, jittered: a function of (seed, epoch, index) alone."""
        draw, crop = sample_draw(self.seed, epoch, index), self.data.crop_size
        fitted = self.cache[index] if self.cache else self.reader.open(pair, self.load_size)
        left, top, mirrored = self.placed(draw, fitted.height, fitted.width)
        source, target = fitted.cut(Window(left, top, crop, crop))
        if mirrored:
            source, target = source.flip(-1), target.flip(-1)
        source, target = self._augment(source, target, draw)
        return self._derive(source, target, draw)

    def placed(self, draw: Random, height: int, width: int) -> tuple[int, int, bool]:
        """Where a crop lies in a pair of this size (left, top; px), and whether it is mirrored."""
        crop = self.data.crop_size
        left, top = draw.randint(0, width - crop), draw.randint(0, height - crop)
        return left, top, self.data.flip and draw.random() < 0.5

    def plain(self, pair: Pair) -> Sample:
        """The pair at crop_size, without jitter; of a longer side the middle."""
        crop = self.data.crop_size
        fitted = self.reader.open(pair, crop)
        left, top = (fitted.width - crop) // 2, (fitted.height - crop) // 2
        source, target = fitted.cut(Window(left, top, crop, crop))
        return self._derive(source, target, Random(f"{self.seed} {pair.name}"))

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
