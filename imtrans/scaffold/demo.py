"""What the recipe of a new plugin learns from: drawn, small, and stored as the recipe says."""

from pathlib import Path
from typing import Literal

from imtrans.data.drawn.pairs import draw_pairs, write_pairs

SPLITS = {"train": 12, "val": 4}  # how many of each are drawn
SIDE = 64  # px
FRAMES, SHIFT = 6, 4  # of a film, and by how many px a frame is further than the one before


def write_demo(folder: Path, kind: Literal["pairs", "photos", "frames"]) -> None:
    """Write folder/train and folder/val: pairs side by side, photographs, or films of frames."""
    for seed, (split, count) in enumerate(SPLITS.items(), start=1):
        place = folder / split
        if kind == "pairs":
            write_pairs(place, draw_pairs(count, seed=seed, size=SIDE))
        elif kind == "photos":
            _write_photos(place, count, seed)
        else:
            _write_films(place, count, seed)


def _write_photos(folder: Path, count: int, seed: int) -> None:
    folder.mkdir(parents=True)
    for number, (_, photo) in enumerate(draw_pairs(count, seed=seed, size=SIDE)):
        photo.save(folder / f"{number:04d}.png")


def _write_films(folder: Path, count: int, seed: int) -> None:
    """A camera that moves to the right: a frame is a part of a photograph."""
    size = SIDE + SHIFT * (FRAMES - 1)
    for number, (_, photo) in enumerate(draw_pairs(count // 4, seed=seed, size=size)):
        film = folder / f"film_{number}"
        film.mkdir(parents=True)
        for frame in range(FRAMES):
            left = frame * SHIFT
            photo.crop((left, 0, left + SIDE, SIDE)).save(film / f"{frame:02d}.png")
