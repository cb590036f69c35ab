"""Pairs as laboratories keep them, drawn: each function fills a folder with raw files."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from drawn import draw_picture, write_pairs
from PIL import Image

SIZE = (64, 64)
CLASSES = ((0, 0, 0), (255, 0, 0), (0, 0, 255), (0, 255, 0))


def photo(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture with as many colours as a photograph."""
    noise = np.random.default_rng(number).integers(0, 40, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(draw_picture(number, size)) // 2 + noise).astype(np.uint8))


def negative(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    return photo(number, size).point(lambda value: 255 - value)


def labels(number: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A label map of four colours."""
    numbers = np.zeros((size[1], size[0]), np.uint8)
    for label in (1, 2, 3):
        numbers[label * 14 :, 6 + number : 20 + label * 9] = label
    return Image.fromarray(np.array(CLASSES, np.uint8)[numbers])


def deep(number: int, top: int) -> Image.Image:
    """16-bit grey, 0 ... top."""
    grey = np.asarray(photo(number).convert("L")).astype(np.float32) / 255 * top
    return Image.fromarray(grey.astype(np.uint16))


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


# The six sets of a newcomer


def ends_in_one_folder(root: Path) -> None:
    for number in range(10):
        save(photo(number), root / f"{number}_real_A.png")
        save(negative(number), root / f"{number}_real_B.png")


def two_folders_in_each_split(root: Path) -> None:
    for split, count in (("train", 8), ("val", 3)):
        for number in range(count):
            save(photo(number).convert("L"), root / split / "edges" / f"{number}.png")
            save(photo(number), root / split / "shoes" / f"{number}.jpg")


def sixteen_bit_to_colour(root: Path) -> None:
    for number in range(10):
        save(deep(number, 3600), root / "trainA" / f"{number:03d}.tif")
        save(photo(number), root / "trainB" / f"{number:03d}.png")


def tree_of_subjects(root: Path) -> None:
    for seed, (subject, session, number) in enumerate(product((1, 2, 3), (1, 2), (0, 1))):
        folder = root / f"sub-{subject:02d}" / f"ses-{session}"
        save(photo(seed), folder / "photos" / f"img_{number}.JPG")
        save(labels(seed), folder / "labels" / f"img_{number}.png")


def stains_in_one_folder(root: Path) -> None:
    for number in range(10):
        save(photo(number), root / f"img_{number:03d}_he.png")
        save(negative(number), root / f"img_{number:03d}_ihc.png")


def sheet_of_a_spreadsheet(root: Path) -> None:
    """Semicolons, a mark, CRLF, backslashes, and paths that begin above the folder."""
    tree_of_subjects(root)
    rows = ["Subject;Photo;Label map;Split"]
    for subject in (1, 2, 3):
        folder = f"{root.name}\\sub-{subject:02d}\\ses-1"
        split = "Val" if subject == 3 else "Train"
        for number in range(2):
            files = f"{folder}\\photos\\img_{number}.JPG;{folder}\\labels\\img_{number}.png"
            rows.append(f"{subject};{files};{split}")
    (root / "list.csv").write_bytes(("\ufeff" + "\r\n".join(rows)).encode())


# Three that nobody tried before


def greenhouse(root: Path) -> None:
    """A folder for every plant and day, with three files of fixed names; 12 bits in 16."""
    plants = product((1, 2), (4, 7, 9), (3, 8))
    for number, (tray, pot, day) in enumerate(plants):
        folder = root / f"tray {tray}" / f"pot-{pot:02d}" / f"2026-05-{day:02d}"
        save(deep(number, 3900), folder / "nir.tif")
        save(photo(number), folder / "rgb.jpg")
        save(labels(number).convert("L").point(lambda v: 255 * (v > 0)), folder / "mask.png")


def drone(root: Path) -> None:
    """Two trees with names of their own on both sides, and uncommon words for the splits."""
    for split, count in (("Training", 9), ("Validation", 3)):
        for number in range(count):
            tile, size = f"tile_{number % 3}_{number}", (160, 144)
            save(photo(number, size), root / "ortho" / split / f"{tile}_ortho.webp")
            save(labels(number, size), root / "annotation" / split / f"{tile}_labels_v2.png")


def well_plate(root: Path) -> None:
    """Wavelengths of a plate reader, numbered: grey TIFFs of 16 bits in one folder."""
    for well in ("A01", "A02", "B01", "B02", "C03"):
        for site in (1, 2):
            number = ord(well[0]) - 60 + 3 * site + int(well[1:])
            save(deep(number, 60_000), root / f"exp7_{well}_s{site}_w1.TIF")
            save(deep(number + 3, 900), root / f"exp7_{well}_s{site}_w2.TIF")


def halves(root: Path) -> None:
    """Photograph | labels in one file."""
    for number in range(10):
        whole = Image.new("RGB", (128, 64))
        whole.paste(photo(number), (0, 0))
        whole.paste(labels(number), (64, 0))
        save(whole, root / "train" / f"{number}.png")


def photographs(root: Path) -> None:
    for number in range(10):
        save(photo(number, (80, 64)), root / "Train" / f"IMG_{number:04d}.jpg")


def grey_photographs(root: Path) -> None:
    for number in range(10):
        save(photo(number, (64, 80)).convert("L"), root / f"{number}.jpg")


def pairs_side_by_side(root: Path) -> None:
    write_pairs(root, 12, (64, 64))


Expected = dict[str, Any]
SETS: dict[Callable[[Path], None], Expected] = {
    ends_in_one_folder: {
        "layout": {"name": "folders", "a": "{name}_real_A.png", "b": "{name}_real_B.png"},
        "direction": "AtoB",
        "validation": 0.1,
    },
    two_folders_in_each_split: {
        "layout": {
            "name": "folders",
            "a": "{split}/edges/{name}.png",
            "b": "{split}/shoes/{name}.jpg",
        },
        "validation": "val",
        "source": {"channels": 1, "dtype": "uint8", "range": [0, 255], "resample": "bicubic"},
    },
    sixteen_bit_to_colour: {
        "layout": "folders",
        "source": {"channels": 1, "dtype": "uint16", "range": [500, 2200], "resample": "bicubic"},
        "target": {"channels": 3, "dtype": "uint8", "range": [0, 255], "resample": "bicubic"},
    },
    tree_of_subjects: {
        "layout": {"name": "folders", "a": "*/*/labels/{name}.png", "b": "*/*/photos/{name}.JPG"},
        "source": {
            "channels": 3,
            "dtype": "uint8",
            "range": [0, 255],
            "resample": "nearest",
            "classes": [[0, 0, 0], [0, 0, 255], [0, 255, 0], [255, 0, 0]],
            "borders": True,
        },
    },
    stains_in_one_folder: {
        "layout": {"name": "folders", "a": "{name}_he.png", "b": "{name}_ihc.png"},
    },
    sheet_of_a_spreadsheet: {
        "layout": {
            "name": "table",
            "file": "set/list.csv",
            "source": "Label map",
            "target": "Photo",
            "split": "Split",
        },
        "train": "Train",
        "validation": "Val",
    },
    greenhouse: {
        "layout": {"name": "folders", "a": "*/*/{name}/mask.png", "b": "*/*/{name}/rgb.jpg"},
        "source": {"channels": 1, "dtype": "uint8", "range": [0, 255], "resample": "nearest"},
    },
    drone: {
        "layout": {
            "name": "folders",
            "a": "annotation/{split}/{name}_labels_v2.png",
            "b": "ortho/{split}/{name}_ortho.webp",
        },
        "train": "Training",
        "validation": "Validation",
        "crop_size": 128,
        "load_size": 143,
        "resize": "shorter",
    },
    well_plate: {
        "layout": {"name": "folders", "a": "{name}_w1.TIF", "b": "{name}_w2.TIF"},
        "target": {"channels": 1, "dtype": "uint16", "range": [130, 540], "resample": "bicubic"},
    },
    halves: {"layout": "side_by_side", "direction": "BtoA", "validation": 0.1, "crop_size": 64},
    photographs: {"layout": "photos", "train": "Train", "derive": "lab"},
    grey_photographs: {"layout": "photos", "train": ".", "derive": "edges"},
    pairs_side_by_side: {"layout": "side_by_side", "train": "."},
}
