"""The pairs that are trained on: a folder of real ones, or drawn ones of the same size."""

import argparse
from pathlib import Path

from work import Work

from imtrans.data.drawn.pairs import draw_pairs, write_pairs
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import Recipe

DRAWN = {"train": (400, 1), "val": (100, 2)}  # count and seed, as many as the facades
# The facades recipe in miniature: seconds on a CPU.
MINIATURE = (
    "generator.name=unet_128",
    "generator.width=2",
    "discriminator.width=2",
    "data.load_size=140",
    "data.crop_size=128",
    "data.workers=0",
)


def pairs_in(folder: str) -> Path:
    """The folder, if it has the published layout. For argparse."""
    path = Path(folder).resolve()
    if not all((path / split).is_dir() for split in DRAWN):
        raise argparse.ArgumentTypeError(f"{folder}: has no train/ and val/")
    return path


def recipe_of(work: Work, *overrides: str, name: str = "facades") -> Recipe:
    """The packaged recipe on the pairs at hand; `overrides` as --set takes them."""
    return recipes.read(name, settings(work, *overrides), catalog())


def settings(work: Work, *overrides: str) -> list[str]:
    """What is set in a recipe of pairs side by side, so that it trains on the pairs at hand."""
    root, direction = work.data, "BtoA"  # as the facades are stored
    if root is None:
        root, direction = drawn(work), "AtoB"
    data = [f"data.root={root.as_posix()}", f"data.direction={direction}"]
    data += ["data.layout=side_by_side", "data.validation=val"]
    return [*data, *(MINIATURE if work.smoke else ()), *overrides]


def drawn(work: Work) -> Path:
    """Drawn pairs, kept for the next part."""
    root = work.out / "drawn"
    for split, (count, seed) in DRAWN.items():
        count, size = (4, 128) if work.smoke else (count, 256)
        if not (root / split).is_dir():
            write_pairs(root / f"{split}.partial", draw_pairs(count, seed=seed, size=size))
            (root / f"{split}.partial").rename(root / split)
    return root
