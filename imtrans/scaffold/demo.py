"""What the recipe of a new plugin learns from: drawn, small, and stored as the recipe says."""

from pathlib import Path
from typing import Literal

from PIL import Image

from imtrans.data.drawn.pairs import draw_pairs

SPLITS = {"train": 12, "val": 4}  # how many of each are drawn
SIDE = 64  # px
FRAMES, SHIFT = 6, 4  # of a film, and by how many px a frame is further than the one before


def write_demo(folder: Path, kind: Literal["pairs", "photos", "frames"]) -> None:
    """Write pictures of two splits into a folder: pairs in A/train and B/train, photographs in
    train, or films in folders below train; and the same for val."""
    for seed, (split, count) in enumerate(SPLITS.items(), start=1):
        if kind == "frames":
            _write_films(folder / split, count, seed)
            continue
        plans, photos = zip(*draw_pairs(count, seed=seed, size=SIDE), strict=True)
        if kind == "pairs":
            _write(folder / "A" / split, plans)
            _write(folder / "B" / split, photos)
        else:
            _write(folder / split, photos)


def _write(folder: Path, pictures: tuple[Image.Image, ...]) -> None:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number:02d}.png")


def _write_films(folder: Path, count: int, seed: int) -> None:
    """A camera that moves to the right: a frame is a part of a photograph."""
    size = SIDE + SHIFT * (FRAMES - 1)
    for number, (_, photo) in enumerate(draw_pairs(count // 4, seed=seed, size=size)):
        lefts = range(0, FRAMES * SHIFT, SHIFT)
        frames = tuple(photo.crop((left, 0, left + SIDE, SIDE)) for left in lefts)
        _write(folder / f"film_{number}", frames)
