"""From which generators a call draws random numbers."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

ELSEWHERE = "a source that no seed reaches, as `os.urandom`"


@dataclass
class Drawn:
    """The generators that a call drew from, as a person knows them."""

    sources: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return " and ".join(self.sources) or (
            f"{ELSEWHERE}, or depends on a plain attribute that it changes"
        )


@contextmanager
def seeded(seed: int) -> Iterator[Drawn]:
    """With torch seeded, note which generators the block draws from; all are put back after it.

    Python's and numpy's begin anywhere, as they do in each process of a training.
    """
    kept = random.getstate(), _numpy_state()
    random.seed()
    np.random.seed()
    drawn, python, numpy = Drawn(), random.getstate(), _numpy_state()
    with torch.random.fork_rng(devices=_devices()):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        try:
            yield drawn
        finally:
            if random.getstate() != python:
                drawn.sources.append("Python's `random`")
            if _numpy_state() != numpy:
                drawn.sources.append("`numpy.random`")
            if not torch.equal(torch.get_rng_state(), before):
                drawn.sources.append("torch's generator")
            random.setstate(kept[0])
            name, keys, *rest = kept[1]
            np.random.set_state((name, np.array(keys, np.uint32), *rest))


def _numpy_state() -> tuple[Any, ...]:
    name, keys, *rest = np.random.get_state()
    return (name, tuple(keys), *rest)  # of an array `!=` is no single answer


def _devices() -> list[int]:
    return list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
