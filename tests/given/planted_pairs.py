"""Pairs like real ones, in which the tests plant one fault at a time; and what a check finds."""

from pathlib import Path

import numpy as np
from PIL import Image

from imtrans.api.pictures import is_paired
from imtrans.checking.data.collecting_orphans import CollectingOrphans
from imtrans.checking.data.run_checks import check_headers, run_checks
from imtrans.components.layouts.folders import Folders
from imtrans.components.layouts.side_by_side import SideBySide
from imtrans.data.pairs import split_pairs
from imtrans.recipe.schema import DataTable

TRAIN, VAL = 10, 3
SIZE = 64


def texture(number: int, size: int = SIZE) -> Image.Image:
    """A smooth picture of its own for every number."""
    draw = np.random.default_rng(number)
    coarse = Image.fromarray(draw.integers(0, 256, (9, 9, 3), dtype=np.uint8))
    return coarse.resize((size, size), Image.Resampling.BICUBIC)


def labels(photo: Image.Image) -> Image.Image:
    """What a target may be: flat colours, with borders where the picture has them."""
    bright = np.asarray(photo.convert("L")) > 128
    red = np.asarray(photo)[:, :, 0] > 128
    return Image.fromarray(np.stack([bright * 255, red * 255, 0 * red], 2).astype(np.uint8))


def write(root: Path, split: str, number: int, photo=None, target=None) -> tuple[Path, Path]:
    """One pair; returns its two files."""
    photo = photo or texture(number)
    paths = root / f"{split}A" / f"{number:03d}.png", root / f"{split}B" / f"{number:03d}.png"
    for path, image in zip(paths, (photo, target or labels(photo)), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    return paths


def write_set(root: Path) -> Path:
    """Ten training and three validation pairs with nothing wrong."""
    for number in range(TRAIN):
        write(root, "train", number)
    for number in range(TRAIN, TRAIN + VAL):
        write(root, "val", number)
    return root


def table(root: Path, **keys) -> DataTable:
    values = {"root": str(root), "layout": {"name": "folders"}, "crop_size": 64, **keys}
    return DataTable.model_validate(values)


def findings(root: Path, stored=None, **keys):
    """The findings of all checks; orphans are collected."""
    data = table(root, **keys)
    layout = CollectingOrphans(stored or Folders(str(root)), data.train)
    training, validation = split_pairs(layout, data, 0)
    return run_checks(
        training, validation, data, paired=layout.paired, missing=layout.orphans, workers=0
    )


def quick_findings(root: Path, stored=None, **keys):
    data = table(root, **keys)
    layout = stored or Folders(str(root))
    training, validation = split_pairs(layout, data, 0)
    return check_headers(training, validation, data, paired=is_paired(layout))


def accused(found) -> dict[tuple[str, str], list[str]]:
    """(severity, subject) -> the names in its rows; notes accuse nobody.

    Whether pairs are aligned is a statistical question, with tests of its own: thirteen drawn
    pairs are too few to answer it.
    """
    names: dict[tuple[str, str], list[str]] = {}
    for finding in found:
        if finding.severity != "note" and finding.subject != "misaligned":
            kind = (finding.severity, finding.subject)
            names.setdefault(kind, []).extend(row.name for row in finding.rows)
    return names


def only(found, subject):
    (finding,) = [finding for finding in found if finding.subject == subject]
    return finding


def pair(number, split="train"):
    return f"{split}A/{number:03d}.png + {split}B/{number:03d}.png"


def halves(left, right):
    both = Image.new("RGB", (left.width * 2, left.height))
    both.paste(left, (0, 0))
    both.paste(right, (left.width, 0))
    return both


def write_halves(tmp_path):
    """Four files of two halves in JPEG, and how they are checked."""
    for number in range(4):
        path = tmp_path / "train" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        halves(texture(number, 128), labels(texture(number, 128))).save(path, quality=90)
    layout = {"layout": {"name": "side_by_side"}}
    return tmp_path / "train", lambda: findings(tmp_path, SideBySide(str(tmp_path)), **layout)
