"""Pairs of plan and photo of a small town, drawn from a seed: a data set without a download.

The quickstart trains on it, and benchmarks and tests use it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from PIL import Image

from imtrans.data.drawn.photo import draw_photo
from imtrans.data.drawn.plan import draw_plan
from imtrans.data.drawn.town import town

PlanAndPhoto = tuple[Image.Image, Image.Image]


def draw_pair(seed: int, size: int = 128) -> PlanAndPhoto:
    """A plan and its photo, both RGB and size x size; equal seeds give equal bytes."""
    parts = list(town(Random(seed)))
    return draw_plan(parts, size), draw_photo(parts, size)


def draw_pairs(count: int, *, seed: int, size: int = 128) -> Iterator[PlanAndPhoto]:
    """`count` pairs; sets with different seeds have no town in common."""
    return (draw_pair(seed * 1_000_003 + index, size) for index in range(count))


def write_pairs(folder: Path, pairs: Iterable[PlanAndPhoto]) -> None:
    """Write pairs as folder/0000.png and so on, the plan left and the photo right."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, (plan, photo) in enumerate(pairs):
        both = Image.new("RGB", (plan.width + photo.width, plan.height))
        both.paste(plan, (0, 0))
        both.paste(photo, (plan.width, 0))
        both.save(folder / f"{index:04d}.png")
