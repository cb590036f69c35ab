"""A planned recipe beside a shipped one, at equal time, small enough for a CPU.

    python tests/planned.py FOLDER SHIPPED [--source NAME] [--derive NAME] [--epochs N]
                            [--set KEY=VALUE ...] [--out DIR]

Plans a recipe for FOLDER as `imtrans init` does, writes a sweep of both recipes at 128 px with
networks of width 16, and trains it: the shipped recipe for N epochs, the planned one for as long.
--set is for both, where the folder is stored otherwise than the shipped recipe says.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from imtrans.drafting.draft import draft
from imtrans.drafting.machine import Machine
from imtrans.recipe import toml
from imtrans.recipe.catalog import catalog

SIDE, WIDTH = 128, 16


def main() -> None:
    asked = _arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    planned = asked.out / "planned.toml"
    text = draft(asked.folder, asked.source, catalog(), machine=Machine()).text
    if asked.derive:
        text = re.sub(r"^derive( +)= .*$", f'derive = "{asked.derive}"', text, flags=re.MULTILINE)
        if asked.derive != "lab":  # then what is planned for other pictures on a CPU
            text = re.sub(r"^batch_size( +)= 4", "batch_size = 1", text, flags=re.MULTILINE)
    planned.write_text(text)
    sweep = asked.out / "sweep.toml"
    tables = _sweep(asked, planned.resolve(), tomllib.loads(text))
    sweep.write_text("\n".join(_table(name, values) for name, values in tables.items()))
    command = [sys.executable, "-m", "imtrans", "sweep", sweep, "--runs", asked.out / "runs"]
    sys.exit(subprocess.run(command, check=False).returncode)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("shipped")
    parser.add_argument("--source")
    parser.add_argument("--derive")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, default=Path("planned"))
    return parser.parse_args()


def _sweep(asked: argparse.Namespace, planned: Path, recipe: dict[str, Any]) -> dict[str, Any]:
    """Both recipes, of one size and for one time."""
    small = {"discriminator.name": "patch_70", "discriminator.width": WIDTH}
    both = {
        "data.root": asked.folder,
        "data.crop_size": SIDE,
        "data.load_size": round(SIDE * 1.117),
        "generator.name": f"unet_{SIDE}",
        "generator.width": WIDTH,
        "train.epochs": asked.epochs,
        "train.decay_from": (asked.epochs + 1) // 2,
        "train.precision": "fp32",
        "validate.every": f"{asked.epochs} epochs",
    }
    for change in asked.set:
        key, _, value = change.partition("=")
        both[key] = value
    mine: dict[str, Any] = {"recipe": str(planned)}
    top = {"title": f"{asked.shipped}, and as planned", "recipe": asked.shipped}
    tables: dict[str, Any] = {"": {**top, "seeds": [0], "equal": "time"}, "set": both}
    if "discriminator" in recipe:
        mine |= small
    else:  # both on the labels that the plan found
        palette = {"mean_iou.palette": recipe["data"]["target"]["classes"]}
        tables["evaluate"] = {"data.target.resample": "nearest"} | palette
    return tables | {"variants.shipped": small, "variants.planned": mine}


def _table(name: str, values: dict[str, Any]) -> str:
    """A table of a sweep, whose keys have points in them."""
    rows = [f'"{key}" = {toml.dumps({"k": value})[4:].strip()}' for key, value in values.items()]
    return "\n".join([*([f"[{name}]"] if name else []), *rows, ""])


if __name__ == "__main__":
    main()
