"""Label maps with instances: classes and borders, by another computation and through the house."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_recipe import TINY

from imtrans.api.errors import ImtransError
from imtrans.data.encoding import Side
from imtrans.data.label_maps import LabelMap, borders
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.side_table import SideTable
from imtrans.task import Task

NUMBERS = {"resample": "nearest", "classes": [[0], [7], [26]]}


def side(**settings):
    return SideTable(**{**NUMBERS, "channels": 1, "borders": True, **settings})


def by_hand(classes, instances):
    """One-hot channels and the border, pixel by pixel."""
    height, width = classes.shape
    seen = -np.ones((4, height, width), np.float32)
    for y in range(height):
        for x in range(width):
            seen[[0, 7, 26].index(classes[y, x]), y, x] = 1
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= v < height and 0 <= u < width
                if inside and instances[v, u] != instances[y, x]:
                    seen[3, y, x] = 1
    return seen


@pytest.fixture
def drawn():
    """Classes, and numbers of instances: 1000 * class + number of those that are counted."""
    random = np.random.default_rng(0)
    classes = random.choice([0, 7, 26], (9, 13)).repeat(2, 0).repeat(2, 1)
    numbers = random.integers(0, 3, (6, 9)).repeat(3, 0).repeat(3, 1)[:18, :26]
    return classes, np.where(classes == 26, classes * 1000 + numbers, classes)


def test_classes_and_borders_are_those_that_another_computation_finds(drawn):
    classes, instances = drawn
    expected = torch.from_numpy(by_hand(classes, instances))
    stored = torch.from_numpy(instances)[None, None].int()
    label_map = LabelMap(side(dtype="uint16", instances=1000))
    assert torch.equal(label_map.encode(stored)[0], expected)
    assert torch.equal(label_map.decode(expected)[0], torch.from_numpy(classes))
    apart = torch.from_numpy(np.stack([classes, instances % 1000])).int()
    of_channel = LabelMap(side(dtype="uint16", channels=2, instances="channel"))
    assert torch.equal(of_channel.encode(apart), expected)


def test_without_instances_borders_are_those_of_classes(drawn):
    classes, _ = drawn
    stored = torch.from_numpy(classes)[None].byte()
    seen = LabelMap(side()).encode(stored)
    assert torch.equal(seen, torch.from_numpy(by_hand(classes, classes)))
    assert borders(torch.zeros(3, 5)).sum() == 0


def test_numbers_near_a_class_count_as_it_by_table_and_by_distance():
    stored = torch.arange(256).view(1, 16, 16)
    by_table = LabelMap(side(borders=False)).encode(stored)
    nearest = (stored[0, ..., None] - torch.tensor([0, 7, 26])).abs().argmin(-1)
    assert torch.equal(by_table.argmax(0), nearest)


def test_a_label_map_of_numbers_is_shown_in_colours(drawn):
    _, instances = drawn
    shown_side = Side(side(dtype="uint16", instances=1000))
    shown = shown_side.show(shown_side.encode(torch.from_numpy(instances)[None, None].int()))
    colours = {tuple(colour.tolist()) for colour in shown.flatten(1).T}
    assert shown.dtype == torch.uint8
    assert len(colours) == 4
    assert (255, 255, 255) in colours  # on borders


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"classes": None}, "name its classes"),
        ({"classes": None, "borders": False, "instances": 1000}, "name its classes"),
        ({"instances": 1000, "resample": "bicubic"}, 'instances need resample = "nearest"'),
        ({"instances": "channel"}, "each a list of 0 numbers"),
        ({"instances": 1}, "greater than or equal to 2"),
    ],
)
def test_what_makes_no_sense_is_refused(keys, said):
    with pytest.raises(ValueError, match=said):
        side(**keys)


@pytest.fixture
def labelled(tmp_path, drawn):
    """A recipe whose sources are numbers of instances in 16 bits."""
    classes, instances = drawn
    for split in ("train", "val"):
        for name, pixels in (
            ("A", instances.astype(np.uint16)),
            ("B", np.stack([classes * 9] * 3, -1).astype(np.uint8)),
        ):
            folder = tmp_path / "pairs" / f"{split}{name}"
            folder.mkdir(parents=True)
            for number in range(2):
                flipped = Image.fromarray(np.ascontiguousarray(np.roll(pixels, number, 0)))
                flipped.save(folder / f"{number}.png")
    text = TINY.format(root=(tmp_path / "pairs").as_posix())
    text = text.replace("load_size = 72\ncrop_size = 64", 'layout = "folders"\ncrop_size = 32')
    text = text.replace(
        "[generator]",
        '[data.source]\nchannels = 1\ndtype = "uint16"\nresample = "nearest"\n'
        "classes = [[0], [7], [26]]\ninstances = 1000\nborders = true\n\n[generator]",
        1,
    )
    path = tmp_path / "labels.toml"
    path.write_text(text.replace("epochs = 2", "epochs = 1"))
    return path


def test_a_training_on_instances_translates(labelled, imtrans, tmp_path):
    task = Task(recipes.read(labelled, catalog=catalog()), catalog())
    assert task.encoding.source_channels == 4
    assert not task.encoding.by_pixel  # a border depends on the pixel beside it
    code, told, _ = imtrans("check", labelled)
    assert code == 0, told
    assert imtrans("train", labelled, "--run-dir", tmp_path / "run")[0] == 0
    given = tmp_path / "pairs" / "valA"
    code, _, told = imtrans("translate", "--checkpoint", tmp_path / "run", given)
    assert code == 0, told


@pytest.mark.thorough
@pytest.mark.parametrize("format", ["pt2", pytest.param("onnx", marks=pytest.mark.soak)])
def test_what_was_trained_on_instances_is_exported(labelled, imtrans, tmp_path, format):
    assert imtrans("train", labelled, "--run-dir", tmp_path / "run")[0] == 0
    code, _, told = imtrans("export", "--checkpoint", tmp_path / "run", "--format", format)
    assert code == 0, told


@pytest.mark.parametrize("key", ["borders = true", 'instances = "channel"\nchannels = 2'])
def test_a_target_has_classes_alone(key, labelled):
    text = labelled.read_text().replace("[data.source]", "[data.target]")
    text = text.replace("borders = true\n", "").replace("instances = 1000", key)
    text = text.replace("channels = 1\n", "") if "channels" in key else text
    with pytest.raises(ImtransError, match=r"is for data\.source"):
        recipes.parse(text, "labels", (), catalog())
