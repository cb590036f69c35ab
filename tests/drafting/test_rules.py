"""Every rule of a plan, held to sets that are drawn for it."""

import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
from kept_sets import save
from PIL import Image, ImageDraw, ImageOps

from imtrans.drafting import plan
from imtrans.drafting.choice import recipe_text
from imtrans.drafting.draft import facts_of
from imtrans.drafting.look import look
from imtrans.drafting.machine import Cost, Machine
from imtrans.drafting.plan import first, planned
from imtrans.drafting.rules import LOSSES, RULES
from imtrans.drafting.sample import SideSample
from imtrans.drafting.situation import Situation
from imtrans.recipe.catalog import catalog


def even(number, size=(32, 32)):
    """Discs anywhere: such a picture might be mirrored as well."""
    random, image = np.random.default_rng([5, number]), Image.new("RGB", size, "grey")
    for _ in range(12):
        x, y, radius = random.integers(0, [*size, 8])
        colour = tuple(random.integers(0, 255, 3).tolist())
        ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), colour)
    return ImageOps.mirror(image) if random.integers(2) else image


def written(number, size=(96, 96)):
    """Writing, anywhere."""
    random, image = np.random.default_rng(number), Image.new("RGB", size, "white")
    for _ in range(12):
        word = "".join(random.choice(list("abcdefgEFGRkz"), 8))
        place = random.integers([-20, -5], size).tolist()
        ImageDraw.Draw(image).text(place, word, fill="black")
    return image


def few_colours(number, size=(32, 32)):
    return even(number, size).quantize(3).convert("RGB").quantize(palette=PALETTE).convert("RGB")


PALETTE = Image.new("P", (1, 1))
PALETTE.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255] + [0] * 759)


def on_nothing(number, size=(32, 32)):
    """A label map whose black is transparent."""
    drawn = few_colours(number, size)
    seen = np.asarray(drawn).any(axis=2).astype(np.uint8) * 255
    return Image.fromarray(np.dstack([drawn, seen]))


def mask(number, size=(32, 32)):
    return even(number, size).convert("L").point(lambda value: 255 * (value > 100))


class Set(NamedTuple):
    """Pairs that are drawn, and what a plan has of them."""

    expected: dict[str, Any]
    count: int = 10
    source: Callable[..., Image.Image] = even
    target: Callable[..., Image.Image] = even
    size: tuple[int, int] = (32, 32)
    ends: tuple[str, str] = ("a", "b")
    kind: str = "png"


ABSENT = object()
SETS = {
    "small pictures": Set(
        {
            "data.crop_size": 32,
            "data.load_size": ABSENT,
            "data.resize": ABSENT,
            "data.validation": 0.1,
            "data.flip": True,
            "data.cache": "auto",
            "method.name": ABSENT,
            "method.feature_matching": 10.0,
            "generator.name": "resnet_6",
            "generator.norm": "batch",
            "generator.upsample": "resize",
            "discriminator.name": "patch_16",
            "discriminator.features": True,
            "adversarial.name": "vanilla",
            "loss": [{"name": "l1", "weight": 100.0}],
            "train.batch_size": 1,
            "train.accumulate": ABSENT,
            "train.epochs": 200,
            "train.decay_from": 100,
            "validate.every": "20 epochs",
            "validate.metrics": ["l1", "psnr", "ssim", "lab_histogram"],
        }
    ),
    "not square": Set(
        {"data.resize": "shorter", "data.load_size": 143, "data.crop_size": 128},
        size=(170, 130),
        count=2,
    ),
    "middling": Set(
        {
            "generator.name": "unet_128",
            "discriminator.name": "patch_70",
            "data.load_size": 143,
            "data.validation": 0.5,
            "train.batch_size": 1,
        },
        size=(140, 140),
        count=2,
    ),
    "large": Set(
        {"generator.name": "unet_256", "data.crop_size": 256, "data.load_size": 286},
        size=(230, 230),
        count=2,
    ),
    "writing": Set({"data.flip": False}, target=written, size=(96, 96), count=16),
    "left and right": Set({"data.flip": False}, ends=("left", "right")),
    "labels to photographs": Set(
        {
            "data.source.classes": [[0, 0, 0], [0, 0, 255], [255, 0, 0]],
            "data.source.resample": "nearest",
            "data.source.borders": True,
            "data.target.resample": "bicubic",
            "data.target.classes": ABSENT,
            "train.batch_size": 1,
            "method.feature_matching": 10.0,
            "generator.norm": "batch",
            "generator.upsample": ABSENT,
            "adversarial.name": "vanilla",
        },
        source=few_colours,
    ),
    "labels on a transparent ground": Set(
        {"data.source.classes": [[0, 0, 255], [255, 0, 0], [255, 255, 255]]},
        source=on_nothing,
    ),
    "photographs to labels": Set(
        {
            "method.name": "supervised",
            "method.feature_matching": ABSENT,
            "discriminator.name": ABSENT,
            "adversarial.name": ABSENT,
            "generator.norm": "instance",
            "generator.upsample": ABSENT,
            "train.batch_size": 4,
            "data.target.resample": "nearest",
            "data.target.classes": [[0, 0, 0], [0, 0, 255], [255, 0, 0]],
            "data.source.borders": ABSENT,
            "loss": [
                {"name": "cross_entropy", "weight": 1.0},
                {"name": "dice", "weight": 1.0},
            ],
            "train.learning_rate": 1e-3,
            "validate.metrics": ["mean_iou"],
        },
        target=few_colours,
    ),
    "photographs to masks": Set(
        {"method.name": "supervised", "data.target.classes": [[0], [255]]}, target=mask
    ),
    "masks to photographs": Set(
        {"data.source.resample": "nearest", "data.source.classes": ABSENT}, source=mask
    ),
    "grey": Set(
        {"validate.metrics": ["l1", "psnr", "ssim"]},
        source=lambda *drawn: even(*drawn).convert("L"),
        target=lambda *drawn: even(*drawn).convert("L").rotate(180),
    ),
}


def draw(root, drawn):
    for number in range(drawn.count):
        for end, image in zip(drawn.ends, (drawn.source, drawn.target), strict=True):
            save(image(number, drawn.size), root / f"{number}_{end}.{drawn.kind}")


def value(recipe, key):
    """Of a key of a recipe, or ABSENT."""
    if key == "loss":
        return recipe[key]
    *tables, name = key.split(".")
    for table in tables:
        recipe = recipe.get(table, {})
    return recipe.get(name, ABSENT)


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """The facts of a drawn set, by its name."""

    @cache
    def facts_of_set(name):
        root = tmp_path_factory.mktemp("drawn") / "set"
        draw(root, SETS[name])
        return facts_of(look(str(root), None, catalog()), Machine(), None)

    return facts_of_set


@pytest.mark.parametrize("name", SETS)
def test_a_plan_is_what_the_rules_say_of_the_set(seen, name):
    recipe = tomllib.loads(recipe_text(name, planned(seen(name))[1]))
    expected = SETS[name].expected
    assert {key: value(recipe, key) for key in expected} == expected


# --- what is not drawn: numbers of pairs, machines, hours ---------------------------------------


def facts(pairs=400, size=(64, 64), **more):
    side = SideSample(sizes=[size])
    return Situation(pairs, ("a", "b"), more.pop("source", side), more.pop("target", side), **more)


GPU = Machine("cuda", auto="bf16", faster="bf16")
FAST, SLOW = Cost(0.01, fits=True), Cost(9.0, fits=True)
LABEL_MAP = SideSample(sizes=[(64, 64)], colours=[(0,), (1,), (2,)])
JPEG = SideSample(sizes=[(64, 64)], blurred=[(0, 0, 0), (9, 9, 9), (200, 0, 0)])


NUMBERS = [
    (facts(1), {"data.validation": None, "train.batch_size": 1}),
    (facts(validation="test"), {"data.validation": "test"}),
    (facts(40_000), {"data.validation": 0.025}),
    (facts(100_000), {"data.validation": 0.01, "train.epochs": 6}),
    (facts(30_000_000), {"data.validation": 0.0001}),
    (facts(2_000_000), {"train.epochs": 5}),
    (facts(3_000), {"train.epochs": 200, "validate.every": "1 epoch"}),
    (facts(400), {"validate.every": "6 epochs"}),
    (facts(7, target=LABEL_MAP), {"train.batch_size": 1}),
    (facts(target=LABEL_MAP), {"train.batch_size": 4}),
    (facts(20_000, (600, 600)), {"data.load_size": 256}),
    (facts(19_000, (600, 600)), {"data.load_size": 286}),
    (facts(19_000, (256, 256)), {"data.load_size": None}),
    (facts(size=(9, 9)), {"data.crop_size": 16, "data.load_size": 18}),
    (facts(size=(50, 50)), {"data.crop_size": 48, "data.load_size": 54}),
    (facts(source=SideSample(), target=SideSample()), {"data.crop_size": 256}),
    (facts(source=JPEG), {"data.source.resample": "bicubic", "data.source.borders": True}),
    (facts(target=JPEG), {"data.target.resample": "nearest"}),
    (facts(derived="lab"), {"data.source.resample": None, "method.feature_matching": 10.0}),
    (facts(derived="lab"), {"train.batch_size": 4, "train.accumulate": None}),
    (facts(derived="lab", parts=2), {"train.batch_size": 2, "train.accumulate": 2}),
    (facts(machine=GPU), {"train.batch_size": 4}),
    (facts(shrunk=1), {"generator.width": 32, "discriminator.width": 32}),
    (facts(shrunk=2), {"generator.width": 16, "discriminator.width": 16}),
    (facts(shrunk=2, target=LABEL_MAP), {"generator.width": 16, "discriminator.width": None}),
    (facts(size=(300, 300), shrunk=3), {"data.crop_size": 128, "generator.name": "unet_128"}),
    (facts(shrunk=3), {"data.crop_size": 64, "generator.width": 16}),
    (facts(parts=2, machine=GPU), {"train.batch_size": 2, "train.accumulate": 2}),
    (facts(parts=4, machine=GPU), {"train.batch_size": 1, "train.accumulate": 4}),
    (facts(hours=8.0, cost=FAST), {"train.epochs": 200}),
    (facts(hours=8.0, cost=SLOW), {"train.epochs": 8, "train.decay_from": 4}),
    (facts(hours=0.1, cost=SLOW), {"train.epochs": 1, "train.decay_from": 1}),
    (facts(machine=Machine(auto="bf16", faster="bf16")), {"train.precision": "auto"}),
    (facts(machine=Machine(auto="bf16", faster="fp32")), {"train.precision": "fp32"}),
    (
        facts(100_000, (600, 600), target=replace(JPEG, blurred=[], sizes=[(600, 600)])),
        {"data.cache": "auto", "data.cache_limit": None},
    ),
]


@pytest.mark.parametrize(("found", "expected"), NUMBERS)
def test_numbers_machines_and_hours(found, expected):
    chosen = planned(found)[0].chosen
    assert {key: chosen.get(key) for key in expected} == expected


def test_a_large_cache_gets_its_room_or_is_left_out(seen):
    many = replace(seen("large"), pairs=200_000)
    assert planned(many)[0]["data.cache_limit"] == 80.0
    short = replace(many, machine=Machine(disk=int(100e9)))
    assert planned(short)[0]["data.cache"] is False
    assert planned(short)[0]["data.cache_limit"] is None


def test_every_rule_decides_somewhere(seen, monkeypatch):
    """A rule that no set here calls for would be one that nobody tried."""
    decided = []

    def noting(facts, rules):
        rule = first(facts, rules)
        decided.append(rule)
        return rule

    monkeypatch.setattr(plan, "first", noting)
    many = replace(seen("large"), pairs=200_000)
    short = replace(many, machine=Machine(disk=int(100e9)))
    for facts in [*map(seen, SETS), *(found for found, _ in NUMBERS), many, short]:
        planned(facts)
    assert [(rule.key, rule.case.words) for rule in RULES if rule not in decided] == []


def test_every_rule_has_its_reason_and_its_source():
    for rule in (*RULES, *LOSSES):
        assert rule.source
        assert rule.reason or rule.value is None
