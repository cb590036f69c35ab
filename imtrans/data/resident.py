"""A data set that lies on the device whole: batches are cut out there, without the host's help."""

from collections.abc import Iterator

import torch

from imtrans.data.cache.cache import Cache
from imtrans.data.draws import batch_keys, sample_draw
from imtrans.data.pixels.resize import Window
from imtrans.data.reading import Sample
from imtrans.data.samples import Sampler

SHARE = 0.4  # of the device's free memory that pairs may take
CHUNK = 256  # pairs that are moved at once


def fits(sampler: Sampler, device: torch.device) -> bool:
    """Whether the sampler's pairs can lie on this device: it is a GPU with enough memory, pairs are
    of one size, and a sample is cut out and nothing more."""
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
        # One small copy to the device: where each sample lies, and whether it is mirrored.
        drawn = torch.tensor([self._place(*key) for key in keys])
        if self.device.type == "cuda":
            drawn = drawn.pin_memory()
        index, left, top, mirrored = drawn.to(self.device, non_blocking=True).unbind(1)
        columns = torch.where(mirrored[:, None] > 0, self._at.flip(0), self._at) + left[:, None]
        rows = self._at + top[:, None]
        place = (index[:, None, None], slice(None), rows[:, :, None], columns[:, None, :])
        # Indexing by tensors on both sides of a slice puts the channels last; a view sets it right.
        source, target = (
            whole[place].permute(0, 3, 1, 2) for whole in (self._source, self._target)
        )
        return source, target

    def _place(self, epoch: int, index: int) -> tuple[int, int, int, int]:
        height, width = self._target.shape[-2:]
        draw = sample_draw(self.sampler.seed, epoch, index)
        left, top, mirrored = self.sampler.placed(draw, height, width)
        return index, left, top, int(mirrored)


def _moved(cache: Cache, device: torch.device) -> Sample:
    parts = []
    for first in range(0, len(cache), CHUNK):
        fitted = [cache[index] for index in range(first, min(first + CHUNK, len(cache)))]
        pairs = [one.cut(Window(0, 0, one.width, one.height)) for one in fitted]
        parts.append([torch.stack(side).to(device) for side in zip(*pairs, strict=True)])
    source, target = (torch.cat(side) for side in zip(*parts, strict=True))
    return source, target
