"""FCN scores of folders of outputs, all on the same labels, however their recipes read label maps.

    python tests/fcn_scores.py SCORER LABELS OUTPUTS...

LABELS has the label maps from which the photographs in each folder of OUTPUTS were made, under the
same names, as `imtrans translate` leaves them; SCORER is what `imtrans train-scorer` wrote. Folders
that are called NAME-seed-N are taken together. Printed is each mean, with the 95 % interval of
other images, and its ratio to the first one's.
"""

import re
import sys
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from imtrans.components.metrics.fcn_score import FCNScore
from imtrans.evaluation.intervals import bounds, resampled_means


def main(scorer: str, labels: str, *outputs: str) -> None:
    metric, size = FCNScore(scorer=scorer), 128
    names = sorted(path.name for path in Path(labels).glob("*.png"))
    maps = pictures(Path(labels), names, size)
    groups: dict[str, list[Tensor]] = {}
    for folder in map(Path, outputs):
        made = pictures(folder, names, size)
        rows = metric.measured(made, made, maps)
        group = re.sub(r"-seed-\d+$", "", folder.name)
        groups.setdefault(group, []).append(rows)
    first = None
    for group, seeds in groups.items():
        rows = torch.stack(seeds).mean(0)  # of an image, over seeds
        value = float(metric.values(rows.mean(0))["fcn_score"])
        each = [float(metric.values(one.mean(0))["fcn_score"]) for one in seeds]
        drawn = metric.values(resampled_means([rows])[0])["fcn_score"]
        low, high = bounds(value, drawn, len(rows)) or (value, value)
        mean = sum(each) / len(each)
        first = first or mean
        shown = " ".join(f"{one:.4f}" for one in each)
        print(f"{group:20} {mean:.4f} ({low:.4f} - {high:.4f}) x{mean / first:.3f}  seeds {shown}")


def pictures(folder: Path, names: list[str], size: int) -> Tensor:
    """(N, 3, size, size) in [-1, 1]."""
    each = []
    for name in names:
        image = (
            Image.open(folder / name).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
        )
        values = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        each.append(values.view(size, size, 3).movedim(-1, 0))
    return torch.stack(each).float() / 127.5 - 1


if __name__ == "__main__":
    main(*sys.argv[1:])
