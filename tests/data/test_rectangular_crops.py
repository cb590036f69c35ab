"""Crops that are no squares: from the recipe to samples, scale, previews and translations."""

import pytest
import torch
from drawn import draw_picture, write_pairs
from tiny_recipe import TINY

from imtrans.api.errors import ImtransError
from imtrans.api.pictures import Pair, Picture
from imtrans.data.cache.obtain import obtain
from imtrans.data.draws import Order
from imtrans.data.loader import Batches
from imtrans.data.resident import Resident
from imtrans.data.samples import Sampler
from imtrans.data.scale import TrainingScale, scale_of
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.schema import DataTable
from imtrans.reporting.samples import read_samples
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.translation.loading import load


def data(**settings):
    return DataTable(root="x", **settings)


def test_a_size_is_a_number_or_height_and_width():
    table = data(load_size=[40, 72], crop_size=[32, 64])
    assert (table.load, table.crop) == ((40, 72), (32, 64))
    assert data(crop_size=[32, 64]).load == (32, 64)
    assert data(crop_size=[64, 64]) == data(crop_size=64)  # one way to write each size


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("crop_size = [64, 80]", "data.crop_size: [64, 80] is larger than load_size, which is 72"),
        ("crop_size = [64]", "crop_size: [64] is not a whole number of px, nor [height, width]"),
        ("crop_size = []", "crop_size: [] is not a whole number of px, nor [height, width]"),
        ("crop_size = [true, 64]", "crop_size: [True, 64] is not a whole number of px"),
        ("crop_size = '64'", "crop_size: '64' is not a whole number of px, nor [height, width]"),
        ("crop_size = [64, 0]", "crop_size: [64, 0] is less than 1 px"),
        ("crop_size = [64, 70]", "multiples of 4; crop_size is [64, 70]. use [64, 68] or [64, 72]"),
    ],
)
def test_a_wrong_size_is_one_line(written, said, tmp_path):
    write_pairs(tmp_path / "pairs" / "train", 2)
    text = TINY.format(root=(tmp_path / "pairs").as_posix())
    text = text.replace("crop_size = 64", written)
    with pytest.raises(ImtransError) as caught:
        Task(recipes.parse(text, "tiny", (), catalog()), catalog()).method(torch.device("cpu"))
    assert said in str(caught.value)
    assert str(caught.value).count("\n") <= 1  # below the recipe's name one problem


@pytest.fixture
def pairs(tmp_path):
    found = []
    for number in range(5):
        path = tmp_path / f"{number}.png"
        draw_picture(number, (60, 30)).save(path)
        found.append(Pair(path.stem, (Picture(str(path)),), (Picture(str(path)),)))
    return found


@pytest.mark.parametrize(
    ("resize", "load_size", "fitted"),
    [
        ("square", [40, 50], (40, 50)),
        ("shorter", [40, 50], (40, 80)),  # as small as covers 50 x 40
        ("shorter", [20, 60], (30, 60)),
        ("shorter", 40, (40, 80)),
    ],
)
def test_a_pair_is_brought_to_load_size_and_a_crop_is_cut(resize, load_size, fitted, pairs):
    sampler = Sampler(data(resize=resize, load_size=load_size, crop_size=[16, 40]), 0)
    whole = sampler.reader.open(pairs[0], sampler.load_size)
    assert (whole.target.height, whole.target.width) == fitted
    seen = [sampler.training(pairs, epoch, 0)[1] for epoch in range(1, 20)]
    assert {tuple(one.shape) for one in seen} == {(3, 16, 40)}
    assert len({one.numpy().tobytes() for one in seen}) > 3


def test_the_cache_and_what_a_device_keeps_give_the_same_crops(pairs, tmp_path):
    table = data(load_size=[24, 50], crop_size=[16, 40], cache=True)
    plain = Sampler(table, 3)
    cached = plain.reading(obtain(plain, pairs, passes=9, say=print))
    order = Order(3, len(pairs), 2)
    resident = Resident(cached, order, torch.device("cpu")).start(1, 0)
    loaded = Batches(pairs, plain, order, workers=0, pin=False).start(1, 0)
    for _, one, other in zip(range(7), loaded, resident, strict=False):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_a_picture_is_translated_at_the_scale_of_training(pairs):
    sources = [pair.a[0] for pair in pairs]
    wide = scale_of(data(load_size=[36, 68], crop_size=[32, 64]), sources)
    assert wide.of(60, 30) == (64, 32)
    assert "64 x 32 px" in str(TrainingScale((32, 64)))
    cover = TrainingScale((32, 64), "shorter")
    assert (cover.of(100, 100), cover.of(200, 50)) == ((64, 64), (128, 32))
    assert "just covers 64 x 32 px" in str(cover)
    assert TrainingScale.loads(cover.dumps(), "a header") == cover
    cut = scale_of(data(load_size=[30, 60], crop_size=[16, 16]), sources)
    assert cut.factors == (1.0, 1.0)  # of files that are only cut, parts


def test_a_whole_training_is_seen_in_its_run_and_reported(tmp_path, imtrans):
    write_pairs(tmp_path / "pairs" / "train", 4)
    write_pairs(tmp_path / "pairs" / "val", 2)
    text = TINY.format(root=(tmp_path / "pairs").as_posix()).replace("epochs = 2", "epochs = 1")
    text = text.replace(
        "load_size = 72\ncrop_size = 64", "load_size = [36, 68]\ncrop_size = [32, 64]"
    )
    task = Task(recipes.parse(text, "tiny", (), catalog()), catalog())
    fit(task, tmp_path / "run")
    samples = read_samples(tmp_path / "run", task.recipe.data.crop, ["generator"])
    assert {cell.image.size for row in samples.cells for cell in row} == {(64, 32)}
    assert load(tmp_path / "run").scale.of(80, 64) == (64, 32)
    assert imtrans("check", tmp_path / "run" / "recipe.toml")[0] == 0
    assert imtrans("report", tmp_path / "run")[0] == 0
