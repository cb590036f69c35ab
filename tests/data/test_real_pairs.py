"""Real pairs, where there are any: they are found, cut, trained on for a step and translated."""

import pytest
from PIL import Image

from imtrans.checking.recipe import check
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.training.fit import fit
from imtrans.translation.folder import translate_files
from imtrans.translation.jobs import plan
from imtrans.translation.loading import load

SMALL = [
    *("generator.name=resnet_6", "generator.width=4", "discriminator.width=4"),
    *("data.load_size=72", "data.crop_size=64", "data.workers=0"),
]


FLOWERS = "500 pairs to train on, 100 for validation"
FACADES = "400 pairs to train on, 100 for validation"
THOROUGH = [
    ("facades_photo2label", "facades", [], FACADES),
    ("edges2photo", "flowers", [], FLOWERS),
    ("inpaint", "flowers", [], FLOWERS),
    ("superres_4x", "flowers", [], FLOWERS),
]


@pytest.mark.parametrize(
    ("recipe", "folder", "keys", "pairs"),
    [
        ("facades", "facades", [], FACADES),
        ("maps", "maps", ["data.layout=folders"], "32 pairs to train on, 8 for validation"),
        ("edges2shoes", "edges2shoes", ["data.direction=BtoA"], "10 pairs to train on, 10 for"),
        ("colorize", "flowers", [], FLOWERS),
        ("facades", "sketch2shiba", [], "176 pairs to train on, 8 for validation"),
        *(pytest.param(*case, marks=pytest.mark.thorough) for case in THOROUGH),
    ],
)
def test_a_recipe_takes_a_step_on_real_pairs(real_data, recipe, folder, keys, pairs):
    overrides = [*SMALL, f"data.root={real_data / folder}", *keys]
    read = recipes.read(recipe, overrides, catalog())
    findings = list(check(Task(read, catalog()), "cpu"))
    assert not [finding.message for finding in findings if finding.severity == "error"]
    assert findings[1].message.startswith(pairs)
    assert "on the first pairs" in findings[-1].message


def test_real_images_of_odd_sizes_are_translated_at_their_size(real_data, tmp_path):
    overrides = [*SMALL, f"data.root={real_data / 'edges2shoes'}", "train.epochs=1"]
    recipe = recipes.read("edges2shoes", overrides, catalog())
    fit(Task(recipe, catalog()), tmp_path / "run", device="cpu")
    translator = load(tmp_path / "run", device="cpu")
    source = real_data / "sketch2shiba" / "val"
    jobs = plan(source, tmp_path / "out", translator.encoding)
    outcome = translate_files(translator, jobs, tmp_path / "out", lambda: None)
    assert (outcome.done, outcome.broken) == (8, [])
    for job in jobs:
        with Image.open(job.path) as before, Image.open(job.results[0]) as after:
            assert before.size == after.size
