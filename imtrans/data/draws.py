"""Every random choice about data, drawn from (seed, epoch, index) alone.

Nothing depends on which process draws, or on what was drawn before: the order of the pairs and
their augmentation are the same for any number of workers, and after any interruption.
"""

import hashlib
import random
from collections.abc import Iterator

import torch


def epoch_order(seed: int, epoch: int, count: int) -> list[int]:
    """A permutation of 0 .. count - 1 for this epoch."""
    digest = hashlib.sha256(f"order {seed} {epoch}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
    return torch.randperm(count, generator=generator).tolist()


def batch_keys(
    seed: int, count: int, batch_size: int, epoch: int, batch: int
) -> Iterator[list[tuple[int, int]]]:
    """Lists of (epoch, index), batch by batch, epoch after epoch, from batch `batch` (from 0) of
    epoch `epoch` (from 1) on."""
    first = batch * batch_size
    while True:
        order = epoch_order(seed, epoch, count)
        for start in range(first, count, batch_size):
            yield [(epoch, index) for index in order[start : start + batch_size]]
        epoch, first = epoch + 1, 0


def sample_draw(seed: int, epoch: int, index: int) -> random.Random:
    """The source of every choice about one sample; seeding by text is stable across versions."""
    return random.Random(f"sample {seed} {epoch} {index}")


def validation_indices(seed: int, count: int, share: float) -> list[int]:
    """Which of `count` pairs are for validation, in order: the same for the same seed and count."""
    chosen = epoch_order(seed, 0, count)[: round(count * share)]
    return sorted(chosen)
