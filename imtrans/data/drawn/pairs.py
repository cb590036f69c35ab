"""A little town drawn from a seed, as pairs of plan and photo.

The data set of the quickstart: pix2pix at work without a download.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from PIL import Image

from imtrans.data.drawn.photo import draw_photo
from imtrans.data.drawn.plan import draw_plan
from imtrans.data.drawn.town import town

Pair = tuple[Image.Image, Image.Image]  # plan, photo


def draw_pair(seed: int, size: int = 128) -> Pair:
    """A plan and its photo, both RGB and size x size; a seed always gives the same bytes."""
    parts = list(town(Random(seed)))
    return draw_plan(parts, size), draw_photo(parts, size)


def draw_pairs(count: int, *, seed: int, size: int = 128) -> Iterator[Pair]:
    """`count` pairs; sets of different seeds share no town."""
    return (draw_pair(seed * 1_000_003 + index, size) for index in range(count))


def write_pairs(folder: Path, pairs: Iterable[Pair]) -> None:
    """Write pairs as folder/0000.png and on, the plan left and the photo right."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, (plan, photo) in enumerate(pairs):
        both = Image.new("RGB", (plan.width + photo.width, plan.height))
        both.paste(plan, (0, 0))
        both.paste(photo, (plan.width, 0))
        both.save(folder / f"{index:04d}.png")
