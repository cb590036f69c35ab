"""How many planted shifts and swaps `imtrans data check` would find: the figures of its docs.

    python tests/given/planted_shifts.py data/facades/train
    python tests/given/planted_shifts.py data/maps/trainA data/maps/trainB --seeds 20

One folder holds pairs side by side, two folders hold files of the same names. In a twentieth of the
pairs the target is moved by 4 to 24 px of 256, by turns exactly 4, 5 to 8 and 9 to 24 (the larger
of both axes). It fills up what it leaves with its border, or with itself (--fill wrap), or black.
Images are made smaller than 256 px; not larger. Then, once more, the sides of a twentieth are
exchanged.
"""

import argparse
import random
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from imtrans.checking.data.alignment import Evidence, learn, misaligned, swapped

BANDS = ((4, 4), (5, 8), (9, 24))  # px of 256
Pair = tuple[Tensor, Tensor]


def main() -> None:
    asked = arguments()
    pairs, names = read(asked.folders)
    print(f"{len(pairs)} pairs; fill {asked.fill}, share {asked.share}")
    print_false(names, misaligned(evidences(pairs)), swapped(evidences(pairs)))
    found, false, errors, began = defaultdict(list), defaultdict(int), [], time.perf_counter()
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        planted, shifts = plant_shifts(pairs, asked.share, asked.fill, seed)
        suspects = misaligned(evidences(planted))
        for index, (x, y, band) in shifts.items():
            found[band].append(index in suspects)
            if index in suspects:
                errors.append(max(abs(suspects[index].x - x), abs(suspects[index].y - y)))
        for index in suspects.keys() - shifts.keys():
            false[names[index]] += 1
    took = (time.perf_counter() - began) / asked.seeds / len(pairs)
    for (low, high), hits in sorted(found.items()):
        print(f"shift {low} to {high} px of 256: found {sum(hits)} of {len(hits)}")
    hits = sum(found.values(), [])
    aligned = asked.seeds * len(pairs) - len(hits)
    print(f"all: found {sum(hits)} of {len(hits)} ({sum(hits) / len(hits):.1%})")
    print(f"falsely accused: {sum(false.values())} of {aligned}: {dict(false)}")
    if errors:
        middle, most = np.quantile(errors, [0.5, 0.95])
        print(f"error of the shift: median {middle:.2f} px, 95% below {most:.2f} px")
    print(f"{1000 * took:.1f} ms a pair, learning included")
    print_swaps(pairs, asked)


def print_false(names: list[str], shifted: dict, exchanged: list[int]) -> None:
    print(f"nothing planted: {len(shifted)} misaligned, {len(exchanged)} swapped")
    for index, (x, y, score) in shifted.items():
        print(f"  {names[index]}: {x:+.1f}, {y:+.1f} px, score {score:.1f}")
    for index in exchanged:
        print(f"  {names[index]}: swapped")


def print_swaps(pairs: list[Pair], asked: argparse.Namespace) -> None:
    right = wrong = total = shifted = 0
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        chosen = some(len(pairs), asked.share, random.Random(seed))
        planted = [(t, s) if i in chosen else (s, t) for i, (s, t) in enumerate(pairs)]
        evidence = evidences(planted)
        suspects = set(swapped(evidence))
        right += len(suspects & chosen)
        wrong += len(suspects - chosen)
        total += len(chosen)
        shifted += len(misaligned(evidence))
    print(f"swaps: found {right} of {total}, falsely accused {wrong}, misaligned then {shifted}")


def evidences(pairs: list[Pair]) -> list[Evidence]:
    correspondence = learn(pairs)
    return [correspondence.evidence(source, target) for source, target in pairs]


def plant_shifts(
    pairs: list[Pair], share: float, fill: str, seed: int
) -> tuple[list[Pair], dict[int, tuple[int, int, tuple[int, int]]]]:
    """The pairs, some shifted; index -> x, y in px of these images, and the band it is from."""
    rng = random.Random(seed)
    planted, shifts = list(pairs), {}
    for turn, index in enumerate(sorted(some(len(pairs), share, rng), key=lambda _: rng.random())):
        source, target = pairs[index]
        band = BANDS[(turn + seed) % len(BANDS)]
        x, y = draw(band, rng)
        x, y = round(x * target.shape[2] / 256), round(y * target.shape[1] / 256)
        planted[index] = (source, moved(target, x, y, fill))
        shifts[index] = (x, y, band)
    return planted, shifts


def some(count: int, share: float, rng: random.Random) -> set[int]:
    return set(rng.sample(range(count), max(2, round(share * count))))


def draw(band: tuple[int, int], rng: random.Random) -> tuple[int, int]:
    """A shift (x, y) whose larger part is in the band."""
    low, high = band
    while True:
        x, y = rng.randint(-high, high), rng.randint(-high, high)
        if low <= max(abs(x), abs(y)):
            return x, y


def moved(image: Tensor, x: int, y: int, fill: str = "border") -> Tensor:
    """An image (3, H, W) moved to the right by x and down by y px."""
    if fill == "wrap":
        return image.roll((y, x), (1, 2))
    rows, columns = torch.arange(image.shape[1]) - y, torch.arange(image.shape[2]) - x
    result = image[:, rows.clamp(0, len(rows) - 1)][:, :, columns.clamp(0, len(columns) - 1)]
    if fill == "black":
        result[:, (rows < 0) | (rows >= len(rows))] = 0
        result[:, :, (columns < 0) | (columns >= len(columns))] = 0
    return result


def read(folders: list[Path]) -> tuple[list[Pair], list[str]]:
    """All pairs, uint8 (3, H, W), at most 256 px, and their names."""
    files = sorted(file for file in folders[0].rglob("*") if file.suffix.lower() in SUFFIXES)
    names = [str(file.relative_to(folders[0])) for file in files]
    return [pair(file, folders) for file in files], names


SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")


def pair(file: Path, folders: list[Path]) -> Pair:
    image = Image.open(file).convert("RGB")
    if len(folders) == 2:
        return tensor(image), tensor(Image.open(folders[1] / file.name).convert("RGB"))
    half, height = image.width // 2, image.height
    return tensor(image.crop((0, 0, half, height))), tensor(image.crop((half, 0, 2 * half, height)))


def tensor(image: Image.Image) -> Tensor:
    image.thumbnail((256, 256))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--fill", choices=["border", "wrap", "black"], default="border")
    return parser.parse_args()


if __name__ == "__main__":
    main()
