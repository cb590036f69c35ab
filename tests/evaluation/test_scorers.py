"""`imtrans train-scorer`, and the score that `evaluate` measures with it."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from resealing import reseal

from imtrans.api.errors import ImtransError
from imtrans.api.scorer import Scorer, Segmenter
from imtrans.evaluation import scorer_training
from imtrans.evaluation.collector import Collector
from imtrans.recipe.catalog import catalog

COLOURS = [(200, 30, 30), (20, 160, 40), (30, 30, 190)]
RECIPE = """
[data]
root = "{root}"
layout = "side_by_side"
direction = "{direction}"
crop_size = 64
workers = 0
[generator]
name = "resnet_6"
width = 4
[discriminator]
name = "pixel"
[adversarial]
name = "vanilla"
[[loss]]
name = "l1"
[train]
epochs = 1
"""


def label_map(number):
    """Three colours whose borders differ with the number."""
    image = Image.new("RGB", (64, 64), COLOURS[0])
    pen = ImageDraw.Draw(image)
    pen.rectangle((8 + number % 13, 4, 40, 30 + number % 11), COLOURS[1])
    pen.rectangle((20, 36 + number % 7, 60, 60 - number % 5), COLOURS[2])
    return image


def photograph(labels, number):
    """A noisy picture in other colours."""
    values = np.asarray(labels, np.float64)[..., ::-1] * 0.5 + 60
    noise = np.random.default_rng(number).normal(0, 12, values.shape)
    return Image.fromarray((values + noise).clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Photographs on the left, labels on the right."""
    root = tmp_path_factory.mktemp("labelled")
    for split, count in (("train", 12), ("val", 5)):
        (root / split).mkdir()
        for number in range(count):
            both, labels = Image.new("RGB", (128, 64)), label_map(number)
            both.paste(photograph(labels, number), (0, 0))
            both.paste(labels, (64, 0))
            both.save(root / split / f"{number:02d}.png")
    return root


@pytest.fixture
def recipe(tmp_path, labelled):
    path = tmp_path / "walls.toml"
    path.write_text(RECIPE.format(root=labelled.as_posix(), direction="BtoA"))
    return path


def test_a_scorer_learns_to_label_and_evaluate_finds_it(imtrans, recipe, tmp_path):
    code, out, err = imtrans("train-scorer", recipe, "--steps", 40)
    assert code == 0, err
    assert "3 classes: scorers/walls.safetensors" in out
    scorer = Scorer.load(tmp_path / "scorers" / "walls.safetensors")
    assert sorted(map(tuple, scorer.palette.long().tolist())) == sorted(COLOURS)
    imtrans("train", recipe)
    code, out, err = imtrans("evaluate", "--recipe", "walls")
    assert code == 0, err
    assert "outputs are labelled again by scorers/walls.safetensors" in out
    assert "of the targets" in out
    found = json.loads((tmp_path / "runs/walls/evaluation/validation/metrics.json").read_text())
    score = found["metrics"]["fcn_score"]
    assert 0.5 < score["ceiling"] <= 1  # the real photographs are labelled well
    assert score["value"] < score["ceiling"]  # those of an untrained generator are not


def test_equal_seeds_make_equal_scorers(imtrans, recipe, tmp_path):
    for name in ("one", "other"):
        imtrans("train-scorer", recipe, "--steps", 2, "--output", f"{name}.safetensors")
    sums = {Scorer.load(tmp_path / f"{name}.safetensors").sum for name in ("one", "other")}
    assert len(sums) == 1


def test_the_score_is_that_of_counted_pixels(tmp_path):
    torch.manual_seed(0)
    scorer = Scorer(Segmenter(3), COLOURS, 64, {})
    path = tmp_path / "scorer.safetensors"
    path.write_bytes(scorer.save())
    metric = catalog().metrics["fcn_score"].build(scorer=str(path))
    output, target = torch.rand(2, 4, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    maps = np.stack([np.asarray(label_map(number)) for number in range(4)])
    source = torch.from_numpy(maps).movedim(-1, 1).float() / 127.5 - 1
    metric.update(output, target, source)
    values = metric.compute()
    with torch.inference_mode():
        seen = scorer.network.eval()(output).argmax(1).numpy()
    given = np.argmin(((maps[..., None, :] - np.array(COLOURS)) ** 2).sum(-1), -1)
    shares, unions = [], []
    for kind in range(3):
        both = ((seen == kind) & (given == kind)).sum()
        shares.append(both / (given == kind).sum())
        unions.append(both / ((seen == kind) | (given == kind)).sum())
    assert values["fcn_score"] == pytest.approx(np.mean(unions), abs=1e-5)
    assert values["fcn_class_accuracy"] == pytest.approx(np.mean(shares), abs=1e-5)
    assert values["fcn_pixel_accuracy"] == pytest.approx((seen == given).mean(), abs=1e-5)


def test_scores_of_labels_that_were_read_differently_are_not_compared(tmp_path):
    path = tmp_path / "scorer.safetensors"
    path.write_bytes(Scorer(Segmenter(3), COLOURS, 64, {}).save())
    image = torch.zeros(1, 3, 64, 64)
    labels = torch.tensor(np.array(label_map(0))).movedim(-1, 0)
    source, sums = labels[None].float() / 127.5 - 1, []
    for given in (source, source + 0.01, source.flip(3)):
        metric = catalog().metrics["fcn_score"].build(scorer=str(path))
        collector = Collector({"fcn_score": metric}, torch.device("cpu"))
        seen = SimpleNamespace(of=lambda metric, given=given: (image, image, given))
        collector.add([0], seen)
        sums.append(int(collector.columns(1)["fcn_score"].compared_with))
    same, blurred, other = sums
    assert same == blurred != other


def test_what_has_no_labels_is_refused(imtrans, recipe, labelled, tiny_file):
    recipe.write_text(RECIPE.format(root=labelled.as_posix(), direction="AtoB"))
    code, _, err = imtrans("train-scorer", recipe, "--steps", 1)
    assert (code, "is it the other direction?" in err) == (2, True)
    classes = "data.target.classes=[[0,0,0],[255,255,255]]"
    code, _, err = imtrans("train-scorer", recipe, "--steps", 1, "--set", classes)
    assert (code, "targets are none" in err) == (2, True)


def test_a_score_depends_on_no_order_and_no_batch(tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "scorer.safetensors"
    path.write_bytes(Scorer(Segmenter(3), COLOURS, 64, {}).save())
    metric = catalog().metrics["fcn_score"].build(scorer=str(path))
    images = torch.rand(3, 4, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    metric.update(*images)
    whole = metric.compute()
    metric.reset()
    for number in (2, 0, 3, 1):
        metric.update(*images[:, number : number + 1])
    assert metric.compute() == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("content", [b"", b"\x80\x02pickle", None])
def test_a_file_that_is_no_scorer_is_refused(tmp_path, content, finished_run):
    path = tmp_path / "scorer.safetensors"
    if content is None:
        run = finished_run(tmp_path / "run")
        path = run / "checkpoints" / "step_00000012" / "generator.safetensors"
    else:
        path.write_bytes(content)
    with pytest.raises(ImtransError, match="no scorer"):
        Scorer.load(path)
    with pytest.raises(ImtransError, match="no such file"):
        Scorer.load(tmp_path / "none.safetensors")


def test_a_scorer_that_cannot_be_written_is_not_trained(imtrans, recipe, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("it was trained")

    monkeypatch.setattr(scorer_training, "_train", never)
    (tmp_path / "file").write_text("x")
    for place, line in ((".", "is a folder"), ("file/x", "cannot be written")):
        code, _, err = imtrans("train-scorer", recipe, "--steps", 1, "--output", place)
        assert (code, line in err) == (2, True)


def test_a_damaged_photograph_for_validation_costs_no_scorer(imtrans, tmp_path, labelled):
    shutil.copytree(labelled, tmp_path / "some")
    (tmp_path / "some" / "val" / "00.png").write_bytes(b"not an image")
    path = tmp_path / "walls.toml"
    path.write_text(RECIPE.format(root="some", direction="BtoA"))
    code, out, err = imtrans("train-scorer", path, "--steps", 1)
    assert (code, "on 4 real photographs" in out) == (0, True), err


@pytest.fixture(scope="module")
def first_scorer():
    """The bytes of the first scorer of this module, to be copied."""
    return []


@pytest.fixture
def scorer(imtrans, recipe, tmp_path, first_scorer):
    """A scorer that was trained for a moment; its file."""
    file = tmp_path / "own.safetensors"
    if not first_scorer:
        assert imtrans("train-scorer", recipe, "--steps", 1, "--output", file.name)[0] == 0
        first_scorer.append(file.read_bytes())
    file.write_bytes(first_scorer[0])
    return file


@pytest.mark.parametrize("size", ["0", "-32", "33", "1e9", "65536", "many"])
def test_a_size_that_no_segmenter_takes_is_one_line(scorer, size):
    reseal(scorer, lambda facts: facts | {"size": size})
    with pytest.raises(ImtransError, match="a damaged scorer; train it again"):
        Scorer.load(scorer)


@pytest.mark.parametrize(
    "palette", ["[]", "[[1]]", "null", "3", "[[0, 0, 300]]", "[[9e99, 0, 0]]", '[["a", 0, 0]]']
)
def test_a_palette_that_is_none_is_one_line(scorer, palette):
    reseal(scorer, lambda facts: facts | {"palette": palette})
    with pytest.raises(ImtransError, match="a damaged scorer; train it again"):
        Scorer.load(scorer)


@pytest.mark.thorough
def test_a_scorer_of_other_data_is_said_to_be_one(imtrans, recipe, scorer, tmp_path):
    imtrans("train", recipe)
    measured = "--recipe", "walls", "--scorer", scorer, "--metric", "fcn_score"
    assert "other data" not in imtrans("evaluate", *measured)[1]
    reseal(scorer, lambda facts: facts | {"data": "elsewhere"})
    code, out, _ = imtrans("evaluate", *measured)
    assert (code, "which was trained on other data" in out) == (0, True)


@pytest.mark.thorough
def test_a_scorer_that_is_gone_leaves_its_score_out_of_a_comparison(imtrans, recipe, scorer):
    imtrans("train", recipe)
    metrics = "--metric", "fcn_score", "--metric", "l1", "--scorer", scorer
    for place in ("one", "other"):
        assert imtrans("evaluate", "--recipe", "walls", *metrics, "--output", place)[0] == 0
    assert "fcn_pixel_accuracy" in imtrans("compare", "one", "other")[1]
    scorer.unlink()
    code, out, err = imtrans("compare", "one", "other")
    assert code == 0, err
    assert "note: fcn_score left out: " in out
    assert "fcn_pixel_accuracy" not in out
