"""A data set that is kept whole on the device: batches are cut there, without the host's help.

What is drawn for an epoch (its order, the place and mirroring of each crop) is sent to the device
once, as far as this rank sees it. A cursor there says how far the epoch is; each batch is cut where
it is, and moves it on. So
nothing of a batch comes from the host, and a CUDA graph can hold all of it.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from imtrans.data.cache.cache import Cache
from imtrans.data.draws import Order, sample_draw
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

    def __init__(self, sampler: Sampler, order: Order, device: torch.device) -> None:
        assert sampler.cache is not None
        self.sampler, self.order, self.device = sampler, order, device
        self.batch_size = min(order.batch_size, order.count)
        self._source, self._target = _moved(sampler.cache, device)
        height, width = sampler.data.crop
        self._rows = torch.arange(height, device=device)
        self._columns = torch.arange(width, device=device)
        self._numbers = torch.arange(self.batch_size, device=device)
        sides = 1 if sampler.paired else 2
        # As many rows as a rank sees in an epoch at most.
        rows = order.steps() * self.batch_size
        self._draws = torch.zeros(rows, sides, 4, dtype=torch.int64, device=device)
        self._cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self._drawn: tuple[int, int] | None = None  # the epoch whose draws are there, and `skipped`
        self._sizes: list[int] = []  # of its batches
        self._epoch, self._skipped, self._step = 0, 0, 0

    def start(self, epoch: int, step: int, skipped: int = 0) -> Iterator[Sample]:
        """Walk from the batch of step `step` (from 0) of epoch `epoch` (from 1) on."""
        self.begin(epoch, step, skipped)
        while True:
            yield self.next()

    def begin(self, epoch: int, step: int, skipped: int = 0) -> None:
        """Continue with the batch of step `step` (from 0) of epoch `epoch` (from 1); `skipped`
        pairs of that epoch were seen in steps of another size."""
        if (epoch, skipped) != self._drawn:
            owns = [own.keys for own in self.order.of_epoch(epoch, 0, skipped)]
            self._sizes = [len(keys) for keys in owns]
            drawn = torch.tensor([self._places(*key) for keys in owns for key in keys])
            if self.device.type == "cuda":
                drawn = drawn.pin_memory()
            self._draws[: len(drawn)].copy_(drawn, non_blocking=True)
            self._drawn = epoch, skipped
        self._epoch, self._skipped, self._step = epoch, skipped, step
        self.rewind()

    @property
    def whole(self) -> int:
        """How many batches of full size come before the end of the epoch, on every rank."""
        return max(self.order.whole(self._skipped) - self._step, 0)

    @property
    def weight(self) -> float:
        """What the next batch counts: see `imtrans.data.draws.Own`."""
        return self.order.weight(self._step, self._skipped)

    def next(self) -> Sample:
        """The next batch; the last of an epoch may be smaller."""
        sample = self.cut(self._sizes[self._step])
        self.passed(1)
        return sample

    def cut(self, size: int | None = None) -> Sample:
        """The batch at the cursor, which moves on: work for the device alone. What it
        cuts beyond the end of the epoch is of no use; it is for `passed` to go on to the next."""
        rows = (self._numbers[:size] + self._cursor).remainder_(len(self._draws))
        drawn = self._draws.index_select(0, rows)
        self._cursor.add_(len(rows))
        target = self._part(drawn[:, -1])
        source = target if self.sampler.paired else self._part(drawn[:, 0])
        # Indexing by tensors on both sides of a slice puts the channels last; a view sets it right.
        return self._source[source].permute(0, 3, 1, 2), self._target[target].permute(0, 3, 1, 2)

    def passed(self, batches: int) -> None:
        """So many batches were cut."""
        self._step += batches
        if self._step >= self.order.steps(self._skipped):
            self.begin(self._epoch + 1, 0)

    def rewind(self) -> None:
        """Put the cursor where `passed` says that it is."""
        self._cursor.fill_(sum(self._sizes[: self._step]))

    def _part(self, places: Tensor) -> tuple[Tensor, slice, Tensor, Tensor]:
        """What indexes a side at these places (N, 4)."""
        index, left, top, mirrored = places.unbind(1)
        across = self._columns
        columns = torch.where(mirrored[:, None] > 0, across.flip(0), across) + left[:, None]
        rows = self._rows + top[:, None]
        return index[:, None, None], slice(None), rows[:, :, None], columns[:, None, :]

    def _places(self, epoch: int, index: int) -> list[tuple[int, int, int, int]]:
        """Pair, left, top and mirrored: of both sides, or of each, drawn as the sampler does."""
        sampler, draw = self.sampler, sample_draw(self.sampler.seed, epoch, index)
        other = sampler.partner(draw, index, self.order.count)
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
