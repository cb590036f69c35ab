"""Every random choice about data, drawn from (seed, epoch, index) alone.

Nothing depends on which process draws, or on what was drawn before: the order of the pairs and
their augmentation are the same for any number of workers, and after any interruption.
"""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

Key = tuple[int, int]  # epoch, index


def _permutation(seed: int, epoch: int, count: int) -> Tensor:
    """0 .. count - 1 in the order of this epoch."""
    digest = hashlib.sha256(f"order {seed} {epoch}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return torch.randperm(count, generator=generator)


class Own(NamedTuple):
    """The pairs of a step that one rank trains on."""

    keys: list[Key]
    #: What its mean loss counts in the mean over ranks: 1 where each has equally many pairs. Of 0
    #: the pair is another rank's: computing with it keeps this one in time with the others.
    weight: float


@dataclass(frozen=True)
class Order:
    """Which of `count` pairs come in which step, epoch after epoch, and which rank sees them.

    A step takes `batch_size` pairs on each of `ranks`: the next ones of the epoch, of which each
    rank has a stretch. So two ranks with batches of one see in every step what one rank with
    batches of two sees. The last step of an epoch takes what is left.

    `skipped` pairs at the start of an epoch were seen in steps of another size, on another number
    of ranks; its steps are counted from there on.
    """

    seed: int
    count: int
    batch_size: int
    rank: int = 0
    ranks: int = 1

    @property
    def per_step(self) -> int:
        """The pairs of a whole step, on all ranks."""
        return self.batch_size * self.ranks

    def steps(self, skipped: int = 0) -> int:
        """The steps of an epoch."""
        return -(-(self.count - skipped) // self.per_step)

    def whole(self, skipped: int = 0) -> int:
        """How many of them have a full batch on each rank."""
        return (self.count - skipped) // self.per_step

    def weight(self, step: int, skipped: int = 0) -> float:
        """See `Own.weight`; of a step (from 0) of an epoch."""
        first = skipped + step * self.per_step
        size = min(self.per_step, self.count - first)
        own = min(max(size - self.rank * self.batch_size, 0), self.batch_size)
        return own * self.ranks / size

    def weights(self, step: int, skipped: int = 0) -> Iterator[float]:
        """The weights of all steps from one on, epoch after epoch."""
        while True:
            yield from (self.weight(each, skipped) for each in range(step, self.steps(skipped)))
            step, skipped = 0, 0

    def own(self, epoch: int, step: int = 0, skipped: int = 0) -> Iterator[Own]:
        """What this rank sees in each step, epoch after epoch, from step `step` (from 0) of epoch
        `epoch` (from 1) on."""
        while True:
            yield from self.of_epoch(epoch, step, skipped)
            epoch, step, skipped = epoch + 1, 0, 0

    def of_epoch(self, epoch: int, step: int = 0, skipped: int = 0) -> Iterator[Own]:
        """Likewise, to the end of the epoch."""
        order = _permutation(self.seed, epoch, self.count)
        for number in range(step, self.steps(skipped)):
            first = skipped + number * self.per_step
            weight = self.weight(number, skipped)
            # Where none is left for this rank, it computes with the step's first pair.
            start = first + (self.rank * self.batch_size if weight else 0)
            stop = min(start + self.batch_size, first + self.per_step) if weight else start + 1
            yield Own([(epoch, index) for index in order[start:stop].tolist()], weight)

    def together(self, epoch: int, step: int, skipped: int = 0) -> list[Key]:
        """What all ranks see in a step."""
        order = _permutation(self.seed, epoch, self.count)
        first = skipped + step * self.per_step
        return [(epoch, index) for index in order[first : first + self.per_step].tolist()]


def sample_draw(seed: int, epoch: int, index: int) -> random.Random:
    """The source of every choice about one sample; seeding by text is stable across versions."""
    return random.Random(f"sample {seed} {epoch} {index}")


def validation_indices(seed: int, count: int, share: float) -> list[int]:
    """Which of `count` pairs are for validation, in order: the same for the same seed and count."""
    chosen = _permutation(seed, 0, count)[: round(count * share)]
    return chosen.sort().values.tolist()
