"""The quickstart: its drawn town is the same for the same seed, and the command runs to its end."""

import hashlib

import pytest
from PIL import ImageChops

from imtrans.cli import quickstart_run as run
from imtrans.data.drawn.pairs import draw_pair, draw_pairs, write_pairs
from imtrans.data.drawn.plan import PALETTE
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog


def digest(pictures):
    return hashlib.sha256(b"".join(picture.tobytes() for picture in pictures)).hexdigest()[:16]


def test_a_seed_always_draws_the_same_pair():
    assert digest(draw_pair(3)) == digest(draw_pair(3))
    assert digest(draw_pair(3)) != digest(draw_pair(4))


def test_sets_with_different_seeds_have_no_town_in_common():
    one, other = ({digest(pair) for pair in draw_pairs(20, seed=s)} for s in (1, 2))
    assert len(one) == 20
    assert not one & other


@pytest.mark.parametrize("size", [64, 128, 256])
def test_a_plan_has_only_the_colours_of_its_labels(size):
    for plan, photo in draw_pairs(5, seed=0, size=size):
        assert plan.size == photo.size == (size, size)
        colours = {colour for _, colour in plan.getcolors(1 << 16)}
        assert colours <= set(PALETTE.values())
        assert len(colours) > 8


def test_photos_differ_where_plans_do():
    (plan_a, photo_a), (plan_b, photo_b) = draw_pairs(2, seed=0)
    assert ImageChops.difference(plan_a, plan_b).getbbox()
    assert ImageChops.difference(photo_a, photo_b).getbbox()


def test_pairs_are_written_side_by_side(tmp_path):
    write_pairs(tmp_path / "train", draw_pairs(2, seed=0))
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == ["0000.png", "0001.png"]


@pytest.fixture
def quick(monkeypatch):
    """The quickstart with few pairs, narrow networks and little training."""
    monkeypatch.setattr(run, "TRAINING_PAIRS", 4)
    read = recipes.read

    def narrow(name, overrides=(), catalog=None, **options):
        if name != "quickstart":
            return read(name, overrides, catalog, **options)
        small = ["generator.width=2", "discriminator.width=2", "train.epochs=1", "data.workers=0"]
        return read(name, [*overrides, "train.decay_from=1", *small], catalog)

    monkeypatch.setattr(run.recipes, "read", narrow)


def test_the_quickstart_ends_with_a_picture_and_can_be_repeated(quick, imtrans, tmp_path):
    for _ in range(2):
        code, out, err = imtrans("quickstart", "demo folder")
        assert (code, err) == (0, "")
        assert out.rstrip().splitlines()[-1].startswith("open demo folder/result.png: ")
    folder = tmp_path / "demo folder"
    assert (folder / "result.png").is_file()
    assert len(list((folder / "buildings").iterdir())) == run.VALIDATION_PAIRS
    assert len(list((folder / "pairs" / "val").iterdir())) == run.VALIDATION_PAIRS


def test_the_recipe_of_the_quickstart_fits_what_is_drawn():
    recipe = recipes.read("quickstart", catalog=catalog())
    assert recipe.data.crop_size == draw_pair(0)[0].width
