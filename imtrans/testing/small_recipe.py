"""A recipe for components that are built of one: methods and loggers."""

import tomllib
from pathlib import Path
from typing import Any

from PIL import Image

from imtrans.recipe.components import METHOD_TABLES
from imtrans.recipe.reading import parse
from imtrans.recipe.schema import Recipe
from imtrans.recipe.toml import dumps
from imtrans.testing.case import Case

TEXT = """
data = { load_size = 36, crop_size = 32, workers = 0 }
generator = { name = "resnet_6", width = 4 }
discriminator = { name = "patch_16", width = 4, features = true }
adversarial = "vanilla"
loss = [{ name = "l1", weight = 100.0 }]
train = { epochs = 2, precision = "fp32", engine = "plain" }
"""


def small_recipe(case: Case, method: str | None = None, **options: Any) -> Recipe:
    """A recipe of small networks, with this method, and of its tables those that it needs."""
    values = tomllib.loads(TEXT)
    values["data"]["root"] = str(case.folder)
    values["adversarial"] = {"name": values["adversarial"]}
    if method:
        needs = case.catalog.methods[method].made.needs
        values = {k: v for k, v in values.items() if k not in METHOD_TABLES or k in needs}
        values["method"] = {"name": method, **options}
    return parse(dumps(values), "the recipe of the tests", (), case.catalog)


def write_pairs(folder: Path) -> None:
    """What a checkpoint says of its data needs data: two pairs to train on, one for validation."""
    for split, count in (("train", 2), ("val", 1)):
        (folder / split).mkdir()
        for number in range(count):
            Image.new("RGB", (72, 36), (40 * number, 90, 120)).save(
                folder / split / f"{number}.png"
            )
