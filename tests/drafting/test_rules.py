"""Every rule of a plan, on drawn sets."""

import tomllib
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from kept_sets import labels, negative, photo, save
from PIL import Image, ImageDraw

from imtrans.drafting.draft import draft
from imtrans.drafting.facts import Facts
from imtrans.drafting.machine import Cost, Machine
from imtrans.drafting.mirrored import Apart, told_apart
from imtrans.drafting.plan import first, planned
from imtrans.drafting.rules import LOSSES, RULES
from imtrans.drafting.sample import SideSample
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog

FIRED = set()


def pairs(root, number, source=photo, target=negative, size=(64, 64), ends=("a", "b"), kind="png"):
    """A folder of pairs: 0_a.png and 0_b.png ..."""
    for at in range(number):
        save(source(at, size), root / f"{at}_{ends[0]}.{kind}")
        save(target(at, size), root / f"{at}_{ends[1]}.{kind}")
    return root


def written(number, size=(64, 64)):
    """A picture with writing."""
    image = Image.new("RGB", size, "white")
    random = np.random.default_rng(number)
    for line in range(0, size[1], 12):
        word = "".join(random.choice(list("abcdefgEFGR")) for _ in range(9))
        ImageDraw.Draw(image).text((random.integers(8), line), word, fill="black")
    return image.convert("RGB")


def mask(number, size=(64, 64)):
    return photo(number, size).convert("L").point(lambda value: 255 * (value > 90))


def recipe_of(folder, **options):
    options = {"measure": lambda text: Cost(0.01, fits=True)} | options
    return tomllib.loads(draft(str(folder), None, catalog(), **options).text)
