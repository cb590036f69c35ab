"""What a training step keeps in memory, calculated: nothing is computed and nothing allocated.

    python tests/step_memory.py RECIPE [table.key=value ...] --sizes 512,1024,2048x1024

Sizes are widths x heights in px, a number is a square. Tensors without values go through the step,
and those that are alive at once are added up. What a device needs beside them is not in it: the
workspace of its libraries, and what its allocator leaves between tensors.
"""

import argparse
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "given"))

from calculated_memory import peak, resized

from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.sizes import Sides


def size_of(text: str) -> Sides:
    width, _, height = text.partition("x")
    return int(height or width), int(width)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="table.key=value")
    parser.add_argument("--sizes", default="512,1024,2048x1024", metavar="WxH,...")
    parser.add_argument("--epoch", type=int, help="by default the last")
    arguments = parser.parse_args()
    recipe = recipes.read(arguments.recipe, arguments.overrides, catalog())
    epoch = arguments.epoch or recipe.train.epochs
    print("| px | fp32, GiB | bf16, GiB |\n|---|---|---|")
    for text in arguments.sizes.split(","):
        sized = resized(recipe, size_of(text))
        found = (peak(sized, precision, epoch) / 2**30 for precision in ("fp32", "bf16"))
        print(f"| {text} | {' | '.join(f'{each:.1f}' for each in found)} |", flush=True)


if __name__ == "__main__":
    main()
