"""From a pair of pictures to a training sample: resize, then one crop and one flip for both halves.

Isola et al. 2017, section 6.2 ("random jitter"): both halves are resized to a square, 286 px in the
paper, whatever their aspect ratio; a random 256 px crop is cut out and mirrored half the time. What
else a recipe augments follows, and last the source is derived, where only photographs are stored.

Unpaired, as in Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017: the target is any pair's, and each side has a crop and a flip of its own.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from imtrans.api.hookspecs import Augmentation, Derivation
from imtrans.api.pictures import Pair
from imtrans.data.cache.cache import Cache
from imtrans.data.draws import sample_draw
from imtrans.data.encoding import Side
from imtrans.data.pixels.resize import Window
from imtrans.data.reading import Fitted, FittedPair, Reader, Sample, SideName
from imtrans.data.scale import Size, TrainingScale
from imtrans.recipe.schema import DataTable
from imtrans.recipe.sizes import Sides, sides_of

# Of larger results the measure would say the same, and take gigabytes and minutes.
MOST_MEASURED = 2**20


class Place(NamedTuple):
    """Where a crop is in a fitted side (px), and whether it is mirrored."""

    left: int
    top: int
    mirrored: bool


class Sampler:
    """Makes training samples of pairs: (source, target), (C, H, W) each, of crop_size.

    They are stored pixels, uint8, int32 (for uint16) or float32; with a derivation they are float32
    in [-1, 1], as the networks see them. With a `cache` of the training pairs no file is opened;
    the samples are the same. Not `paired`: sources and targets do not belong together.
    """

    def __init__(
        self,
        data: DataTable,
        seed: int,
        *,
        derivation: Derivation | None = None,
        augmentations: Sequence[Augmentation] = (),
        cache: Cache | None = None,
        paired: bool = True,
    ) -> None:
        self.data, self.seed, self.paired = data, seed, paired
        self.derivation, self.augmentations = derivation, augmentations
        self.source, self.target = Side(data.source), Side(data.target)
        self.reader, self._cache = Reader(data, paired=paired), cache

    @property
    def cache(self) -> Cache | None:
        return self._cache

    def reading(self, cache: Cache | None) -> "Sampler":
        """The same sampler, which reads training pairs from this cache, or from files if None."""
        return Sampler(
            self.data,
            self.seed,
            derivation=self.derivation,
            augmentations=self.augmentations,
            cache=cache,
            paired=self.paired,
        )

    @property
    def load_size(self) -> Sides:
        """The size at which pairs are read for training (px)."""
        return self.data.load

    @property
    def quick(self) -> bool:
        """Whether a training sample takes microseconds: it is cut out of the cache, no more."""
        return bool(self.cache) and not self.derivation and not self.augmentations

    def training(self, pairs: Sequence[Pair], epoch: int, index: int) -> Sample:
        """The pair at `index` as this epoch sees it, jittered: a function of (seed, epoch, index)
        alone. Unpaired, its source with a target drawn from all `pairs`."""
        draw = sample_draw(self.seed, epoch, index)
        cut = self._together if self.paired else self._apart
        source, target = cut(pairs, index, draw)
        source, target = self._augment(source, target, draw)
        return self._derive(source, target, draw)

    def partner(self, draw: Random, index: int, count: int) -> int:
        """Whose target is seen with the source of the pair at `index`, out of `count` pairs."""
        return index if self.paired else draw.randrange(count)

    def placed(self, draw: Random, height: int, width: int) -> Place:
        """Where a crop is in a side of this size (px)."""
        crop = self.data.crop
        left, top = draw.randint(0, width - crop[1]), draw.randint(0, height - crop[0])
        return Place(left, top, self.data.flip and draw.random() < 0.5)

    def plain(self, pair: Pair, size: Sides | None = None) -> Sample:
        """The middle of a pair, crop_size px, without jitter; of the whole at `size`, by default
        crop_size too."""
        crop = self.data.crop
        source, target = self.reader.open(pair, size or crop).middle(crop)
        return self._derive(source, target, Random(f"{self.seed} {pair.name}"))

    def scaled(self, pair: Pair, scale: TrainingScale, target_scale: TrainingScale) -> Sample:
        """The whole pair at the scale of its source, as that is translated; sides that do not
        belong together each at their own. What is derived: as `plain`, at that scale."""
        if self.derivation:
            return self.plain(pair, sides_of(scale.size))
        source, target = self.reader.stored(pair)
        source_at = scale.of(*_size(source))
        target_at = source_at if self.paired else target_scale.of(*_size(target))
        return self.source.resized_to(source_at, source), self.target.resized_to(target_at, target)

    def measured(self, pair: Pair, scale: TrainingScale) -> Sample:
        """The source at its scale, and the target at the size of the source's file, which a
        translation has: what a result is measured with. Of more than MOST_MEASURED pixels the
        target is smaller. What is derived: as `plain`, at that scale."""
        if self.derivation:
            return self.plain(pair, sides_of(scale.size))
        source, target = self.reader.stored(pair)
        width, height = _size(source)
        shrunk = min(1.0, (MOST_MEASURED / (width * height)) ** 0.5)
        measured_at = round(width * shrunk), round(height * shrunk)
        return (
            self.source.resized_to(scale.of(width, height), source),
            self.target.resized_to(measured_at, target),
        )

    def _together(self, pairs: Sequence[Pair], index: int, draw: Random) -> Sample:
        """Both sides of one pair, cut and mirrored alike."""
        fitted = self._fitted(pairs, index)
        place = self.placed(draw, fitted.target.height, fitted.target.width)
        source, target = fitted.cut(self._window(place))
        return (source.flip(-1), target.flip(-1)) if place.mirrored else (source, target)

    def _fitted(self, pairs: Sequence[Pair], index: int) -> FittedPair:
        return self.cache[index] if self.cache else self.reader.open(pairs[index], self.load_size)

    def _apart(self, pairs: Sequence[Pair], index: int, draw: Random) -> Sample:
        """A source and the target of any pair, each cut and mirrored by itself."""
        other = self.partner(draw, index, len(pairs))
        source = self._cut(self._fitted_side(pairs, index, "source"), draw)
        return source, self._cut(self._fitted_side(pairs, other, "target"), draw)

    def _fitted_side(self, pairs: Sequence[Pair], index: int, name: SideName) -> Fitted:
        if self.cache:
            return self.cache.side(index, name)
        return self.reader.side(pairs[index], name, self.load_size)

    def _cut(self, side: Fitted, draw: Random) -> Tensor:
        place = self.placed(draw, side.height, side.width)
        cut = side.cut(self._window(place))
        return cut.flip(-1) if place.mirrored else cut

    def _window(self, place: Place) -> Window:
        height, width = self.data.crop
        return Window(place.left, place.top, width, height)

    def _augment(self, source: Tensor, target: Tensor, draw: Random) -> Sample:
        for augmentation in self.augmentations:
            # Equal draws for both sides of a pair: they move alike, whatever the augmentation does.
            key = draw.getrandbits(64)
            other = key if self.paired else draw.getrandbits(64)
            if augmentation.sides == "both":
                target = _augmented(target, self.target, augmentation, key)
            if not self.derivation:
                source = _augmented(source, self.source, augmentation, other)
            elif not self.paired and augmentation.sides == "both":
                # A photograph of its own, of which the source will be derived.
                source = _augmented(source, self.target, augmentation, other)
        return source, target

    def _derive(self, source: Tensor, target: Tensor, draw: Random) -> Sample:
        """With a derivation, what it makes of both: the source is a photograph until then."""
        if self.derivation is None:
            return source, target
        photo = self.target.to_unit(target)
        seen = photo if self.paired else self.target.to_unit(source)
        derived = self.derivation.derive(seen, draw)
        for augmentation in self.augmentations:
            if augmentation.sides == "source":
                # A fourth channel is a mask, and no colour.
                colour = (derived[:3] + 1) / 2
                colour = augmentation(colour, Random(draw.getrandbits(64)), "bilinear") * 2 - 1
                derived = torch.cat([colour, derived[3:]])
        return derived, self.derivation.target(photo)


def _size(pixels: Tensor) -> Size:
    return pixels.shape[-1], pixels.shape[-2]


def _augmented(pixels: Tensor, side: Side, augmentation: Augmentation, key: int) -> Tensor:
    resample = "nearest" if side.table.resample == "nearest" else "bilinear"
    return side.from_unit(augmentation(side.to_unit(pixels), Random(key), resample))
