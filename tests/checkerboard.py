"""Checkerboards in the outputs of generators, measured after a short training on pairs.

python tests/checkerboard.py FOLDER/facades [--steps 500] [--seeds 3] [--size 128]

Printed is by how many dB the frequencies k / stride exceed those beside them in the outputs of
pairs that were not trained on, with each way to upsample, and in the targets: mean and standard
deviation over seeds.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import mean, stdev

sys.path.insert(0, str(Path(__file__).parent / "given"))

from checkerboards import measured


def rows(options: argparse.Namespace) -> Iterator[str]:
    for generator, upsample in product(options.generators, ("transposed", "resize")):
        found = [
            measured(options.root, generator, upsample, s, steps=options.steps, size=options.size)
            for s in range(options.seeds)
        ]
        values = {key: [row[key] for row in found] for key in found[0]}
        said = ", ".join(
            f"{key} {mean(each):.2f}" + (f" ± {stdev(each):.2f}" if len(each) > 1 else "")
            for key, each in values.items()
        )
        yield f"{generator} {upsample}: {said}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="pairs side by side, with train and val")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--generators", nargs="+", default=["resnet_6", "unet_128"])
    for line in rows(parser.parse_args()):
        print(line, flush=True)
