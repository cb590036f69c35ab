"""What `imtrans evaluate` leaves in a run, drawn: metrics, a table of images, and pictures."""

import csv
import json
import random
from pathlib import Path

from drawn import draw_picture

METRICS = {"l1": (0.2, False), "psnr": (14.2, True), "ssim": (0.31, True)}


def write_evaluation(
    run: Path,
    split: str = "val",
    *,
    images: int = 30,
    size: tuple[int, int] = (64, 64),
    targets: bool = True,
    name: str = "pair {}",
    pictures: int = 9,
) -> Path:
    """An evaluation in RUN/evaluation/SPLIT; returns its folder."""
    folder = run / "evaluation" / split
    (folder / "pictures").mkdir(parents=True)
    draw = random.Random(split)
    rows = [
        {"name": name.format(i)}
        | {m: round(draw.gauss(v, v / 9), 5) for m, (v, _) in METRICS.items()}
        for i in range(images)
    ]
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    shown = [_picture(folder, i, rows[i], size, targets) for i in range(min(pictures, images))]
    facts = {
        "imtrans": "0.1.0",
        "torch": "2.13.0",
        "run": run.name,
        "checkpoint": "step_00000012",
        "step": 12,
        "split": split,
        "n": images,
        "skipped": [{"name": "broken.png", "why": "damaged image"}],
        "resamples": 2000,
        "confidence": 0.95,
        "metrics": {m: _metric(m, images) for m in METRICS},
        "main": "l1",
        "pictures": shown,
    }
    (folder / "metrics.json").write_text(json.dumps(facts))
    return folder


def _metric(name, images):
    value, higher = METRICS[name]
    span = {"value": value, "low": value * 0.97, "high": value * 1.03}
    return span | {"n": images, "higher_is_better": higher, "ceiling": None}


def _picture(folder, number, row, size, targets):
    entry = {"name": row["name"], "why": [("worst", "best", "first")[number % 3]]}
    if number == 2:
        entry["why"].append("best")
    entry["values"] = {m: row[m] for m in reversed(METRICS)} | {"fid": None}
    for side in ("source", "output", *(["target"] if targets else [])):
        path = f"pictures/{number:04d}-{side}.png"
        draw_picture(number + len(side), size).save(folder / path)
        entry[side] = path
    return entry
