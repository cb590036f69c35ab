"""A data set that is kept whole on the device: batches are cut there, without the host's help."""

from collections.abc import Iterator

import torch
from torch import Tensor

from imtrans.data.cache.cache import Cache
from imtrans.data.draws import batch_keys, sample_draw
from imtrans.data.reading import Sample
from imtrans.data.samples import Sampler

SHARE = 0.4  # of the device's free memory that pairs may take
CHUNK = 256  # pairs that are moved at once


def fits(sampler: Sampler, device: torch.device) -> bool:
    """Whether the sampler's pairs can be kept on this device: it is a GPU with enough memory, pairs
    are of one size, and a sample is cut out and nothing more."""
    if device.type != "cuda" or not sampler.quick or sampler.cache is None:
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return sampler.cache.one_size and sampler.cache.about.bytes_in_memory <= SHARE * free


class Resident:
    """The batches of `imtrans.data.loader.Batches`, the same pixels in the same order, on a
    device."""

    def __init__(self, sampler: Sampler, batch_size: int, device: torch.device) -> None:
        assert sampler.cache is not None
        self.sampler, self.batch_size, self.device = sampler, batch_size, device
        self.count = len(sampler.cache)
        self.per_epoch = -(-self.count // batch_size)
        self._source, self._target = _moved(sampler.cache, device)
        self._at = torch.arange(sampler.data.crop_size, device=device)

    def start(self, epoch: int, batch: int) -> Iterator[Sample]:
        """Walk from batch `batch` (from 0) of epoch `epoch` (from 1) on."""
        for keys in batch_keys(self.sampler.seed, self.count, self.batch_size, epoch, batch):
            yield self._cut(keys)

    def _cut(self, keys: list[tuple[int, int]]) -> Sample:
        # One small copy to the device: where each side is cut out, and whether it is mirrored.
        drawn = torch.tensor([self._places(*key) for key in keys])
        if self.device.type == "cuda":
            drawn = drawn.pin_memory()
        drawn = drawn.to(self.device, non_blocking=True)
        target = self._part(drawn[:, -1])
        source = target if self.sampler.paired else self._part(drawn[:, 0])
        # Indexing by tensors on both sides of a slice puts the channels last; a view sets it right.
        return self._source[source].permute(0, 3, 1, 2), self._target[target].permute(0, 3, 1, 2)

    def _part(self, places: Tensor) -> tuple[Tensor, slice, Tensor, Tensor]:
        """What indexes a side at these places (N, 4)."""
        index, left, top, mirrored = places.unbind(1)
        columns = torch.where(mirrored[:, None] > 0, self._at.flip(0), self._at) + left[:, None]
        rows = self._at + top[:, None]
        return index[:, None, None], slice(None), rows[:, :, None], columns[:, None, :]

    def _places(self, epoch: int, index: int) -> list[tuple[int, int, int, int]]:
        """Pair, left, top and mirrored: of both sides, or of each, drawn as the sampler does."""
        sampler, draw = self.sampler, sample_draw(self.sampler.seed, epoch, index)
        other = sampler.partner(draw, index, self.count)
        sides = [(other, self._target)]
        if not sampler.paired:
            sides.insert(0, (index, self._source))
        return [(pair, *sampler.placed(draw, *side.shape[-2:])) for pair, side in sides]


def _moved(cache: Cache, device: torch.device) -> Sample:
    parts = []
    for first in range(0, len(cache), CHUNK):
        pairs = [cache[at].whole() for at in range(first, min(first + CHUNK, len(cache)))]
        parts.append([torch.stack(side).to(device) for side in zip(*pairs, strict=True)])
    source, target = (torch.cat(side) for side in zip(*parts, strict=True))
    return source, target
