"""Recipes: found, typed, told with every problem at once, written back."""

import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from drawn import write_pairs

from imtrans.api.errors import ImtransError
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import GROUP, catalog, collect
from imtrans.recipe.schema import Recipe
from imtrans.recipe.toml import dumps, lines

SHIPPED = [
    "cityscapes",
    "cityscapes_photo2label",
    "colorize",
    "day2night",
    "edges2handbags",
    "edges2photo",
    "edges2shoes",
    "edges2shoes_plus",
    "facades",
    "facades_photo2label",
    "facades_photo2label_plus",
    "facades_plus",
    "inpaint",
    "map2satellite",
    "maps",
    "maps_plus",
    "quickstart",
    "superres_4x",
]
# The check computes the same of all others: the networks of the paper on pairs of two images.
TRIED = ["facades"]
THEN = ["colorize", "quickstart", "superres_4x"]
UNPAIRED = ["horse2zebra", "maps_unpaired", "monet2photo"]  # for the plugin imtrans-cyclegan
HD = ["cityscapes_hd", "facades_hd"]  # for the plugin imtrans-pix2pixhd
BRIDGES = ["colorize_bridge", "edges2shoes_bridge", "facades_bridge"]  # for imtrans-bridge


def problems(text, *overrides):
    with pytest.raises(ImtransError) as caught:
        recipes.parse(text, "r.toml", overrides, catalog())
    return str(caught.value)


@pytest.fixture
def maps():
    return recipes.packaged()["maps"].read_text()


def test_all_the_promised_recipes_are_packaged():
    assert sorted(recipes.packaged()) == sorted(SHIPPED + UNPAIRED + HD + BRIDGES)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_says_where_it_comes_from(name):
    recipe = recipes.read(name, catalog=catalog())
    assert recipe.title
    assert "Isola et al. 2017" in recipe.reference
    assert "#" in recipes.packaged()[name].read_text()


@pytest.mark.parametrize("name", UNPAIRED)
def test_a_recipe_of_a_plugin_is_read_with_it_and_else_says_what_to_install(name):
    core = distribution("imtrans").entry_points.select(group=GROUP)
    with pytest.raises(ImtransError, match="pip install imtrans-cyclegan"):
        recipes.read(name, catalog=collect(core))
    if "cyclegan" in catalog().methods:
        recipe = recipes.read(name, catalog=catalog())
        assert recipe.method.name == "cyclegan"
        # Written whole, it has an empty list of losses, which the method has no use for.
        assert recipes.parse(recipes.dumps(recipe), "written", (), catalog()) == recipe
    assert "Zhu et al. 2017" in recipes.read(name).reference


@pytest.mark.parametrize(
    "name",
    [
        *TRIED,
        *(pytest.param(name, marks=pytest.mark.thorough) for name in THEN),
        *(
            pytest.param(name, marks=pytest.mark.soak)
            for name in SHIPPED
            if name not in (*TRIED, *THEN)
        ),
    ],
)
def test_a_shipped_recipe_passes_the_check(name, imtrans, tmp_path):
    write_pairs(tmp_path / "data" / "train", 4)
    # Narrow networks: what is checked is not how long a step takes.
    narrow = ["data.root=data", "generator.width=4"]
    if recipes.read(name).discriminator:
        narrow.append("discriminator.width=4")
    code, out, err = imtrans("check", name, *(w for one in narrow for w in ("--set", one)))
    assert (code, err) == (0, "")
    assert out.count("ok ") == 5
    assert "4 pairs to train on" in out


@pytest.mark.parametrize(
    ("name", "epochs", "batch", "load", "flip", "direction"),
    [
        ("facades", 200, 1, 286, True, "BtoA"),
        ("facades_photo2label", 200, 1, 286, True, "AtoB"),
        ("maps", 200, 1, 286, True, "AtoB"),
        ("map2satellite", 200, 1, 286, True, "BtoA"),
        ("cityscapes", 200, 1, 286, True, "BtoA"),
        ("cityscapes_photo2label", 200, 1, 286, True, "AtoB"),
        ("edges2shoes", 15, 4, None, False, "AtoB"),
        ("edges2handbags", 15, 4, None, False, "AtoB"),
        ("day2night", 17, 4, 286, True, "BtoA"),
        ("colorize", 6, 4, None, True, "AtoB"),
    ],
)
def test_a_shipped_recipe_carries_the_settings_of_the_paper(
    name, epochs, batch, load, flip, direction
):
    recipe = recipes.read(name)
    assert (recipe.train.epochs, recipe.train.batch_size) == (epochs, batch)
    assert (recipe.data.load_size, recipe.data.flip) == (load, flip)
    assert (recipe.data.direction, recipe.data.crop_size) == (direction, 256)
    assert (recipe.generator.name, recipe.discriminator.name) == ("unet_256", "patch_70")
    assert [(loss.name, loss.weight) for loss in recipe.loss] == [("l1", 100.0)]
    assert (recipe.train.learning_rate, recipe.train.betas) == (2e-4, (0.5, 0.999))


def test_paths_local_recipes_and_packaged_ones_resolve_in_this_order(tmp_path, monkeypatch, maps):
    monkeypatch.chdir(tmp_path)
    assert recipes.find("maps") == recipes.packaged()["maps"]
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "maps.toml").write_text(maps)
    assert recipes.find("maps") == Path("recipes/maps.toml")
    (tmp_path / "own.toml").write_text(maps)
    assert recipes.find("own.toml") == Path("own.toml")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (
            "mapps",
            "no recipe 'mapps', neither as recipes/mapps.toml nor packaged; did you mean 'maps'",
        ),
        ("elsewhere/maps.toml", "elsewhere/maps.toml: no such recipe file; the packaged recipe is"),
        ("xyz", "packaged are 'cityscapes', "),
    ],
)
def test_a_recipe_that_is_not_there_is_told_with_what_is(asked, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImtransError, match=told):
        recipes.find(asked)


def test_every_problem_is_reported_at_once_with_its_line(maps):
    text = (
        maps.replace('"AtoB"', '"AtoC"')
        .replace("batch_size", "batchsize")
        .replace("unet_256", "unet_265")
        .replace("2e-4", '"fast"')
        .replace("weight =", "wieght =")
    )

    def line(part):
        return next(n for n, row in enumerate(text.splitlines(), 1) if part in row)

    told = problems(text)
    assert told.startswith("r.toml: 5 problems\n")
    assert f"line {line('AtoC')}  data.direction: 'AtoC' is not one of 'AtoB', 'BtoA'" in told
    assert (
        f"line {line('batchsize')}  train: no key 'batchsize'; did you mean 'batch_size'?" in told
    )
    assert f"line {line('unet_265')}  generator.name: no generator 'unet_265'; did you mean" in told
    assert f"line {line('fast')}  train.learning_rate: 'fast' is not a number" in told
    assert f"line {line('wieght')}  loss.0: no key 'wieght'; did you mean 'weight'?" in told


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("epochs        = 200", "epochs = 20.5"), "train.epochs: 20.5 is not a whole number"),
        (("epochs        = 200", "epochs = true"), "train.epochs: true is not a whole number"),
        (
            ("epochs        = 200", "epochs = 0"),
            "train.epochs: 0 is not greater than or equal to 1",
        ),
        (("flip      = true", "flip = 1"), "data.flip: 1 is not true or false"),
        (("load_size = 286", "load_size = 200"), "256 is larger than load_size, which is 200"),
        (("= 100    #", "= 300 #"), "train.decay_from: 300 is after the last epoch, which is 200"),
        (("[0.5, 0.999]", "[0.5]"), "train.betas"),
        (("[0.5, 0.999]", "[0.5, 1.5]"), "train.betas.1: 1.5 is not less than 1"),
        (("2e-4", "nan"), "train.learning_rate"),
        (('name = "vanilla"', ""), "adversarial: the key 'name' is missing"),
        (("[[loss]]", "[loss]"), "loss: "),
        (
            ('name = "unet_256"', 'name = "unet_256"\nwidth = "wide"'),
            "width: 'wide' is not a whole",
        ),
        (('name = "unet_256"', 'name = "unet_256"\nwidth = 0'), "width: 0 is not greater than or"),
        (('name = "unet_256"', 'name = "unet_256"\nnorm = "bach"'), "'bach' is not one of 'batch'"),
        (('name = "unet_256"', 'name = "unet_256"\ndepth = 7'), "generator: no key 'depth'"),
    ],
)
def test_one_problem(maps, change, told):
    assert change[0] in maps
    assert told in problems(maps.replace(*change))


def test_a_loss_named_twice_is_refused(maps):
    loss = '[[loss]]\nname = "l1"\nweight = 5.0\n\n[train]'
    assert "loss: 'l1' appears more than once" in problems(maps.replace("[train]", loss))


METRICS = "'l1', 'psnr', 'ssim'"


@pytest.mark.parametrize(
    ("table", "key", "expected"),
    [
        ("every = 0", "every", "0 is not "),
        ('every = "2 days"', "every", "'2 days' is not "),
        ("pairs = 0", "pairs", "0 is not greater than or equal to 1"),
        ('metrics = ["psrn"]', "metrics", "no metric 'psrn'; did you mean 'psnr'?"),
        ('metrics = ["l1", "l1"]', "metrics", "'l1' appears more than once"),
        ('metrics = [{name = "l1", sigma = 3}]', "metrics", "no key 'sigma'"),
        ('metrics = "l1"', "metrics", "'l1' is not a list"),
        ('keep_best = "psrn"', "keep_best", f"'psrn' is not one of the metrics: {METRICS}"),
        ('metrics = ["l1"]\nkeep_best = "psnr"', "keep_best", "one of the metrics: 'l1', or false"),
        ('metrics = []\nkeep_best = "l1"', "keep_best", "of the metrics: there are none, or false"),
        ("keep_best = true", "keep_best", "true is not "),
        ("patience = 0", "patience", "0 is not greater than or equal to 1"),
        (
            "keep_best = false\npatience = 3",
            "patience",
            f"patience needs a metric: set keep_best to one of {METRICS}",
        ),
        ("metrics = []\npatience = 3", "patience", "needs a metric, and metrics is empty"),
        ("patients = 3", "patients", "no key 'patients'; did you mean 'patience' or "),
    ],
)
def test_each_mistake_in_validate_is_named_with_its_line(maps, table, key, expected):
    text = f"{maps}\n[validate]\n{table}\n"
    line = next(n for n, row in enumerate(text.splitlines(), 1) if row.startswith(f"{key} ="))
    head, row = problems(text).splitlines()
    assert head == "r.toml: 1 problem"
    assert row.startswith(f"  line {line}  validate")
    assert expected in row


def test_the_best_is_kept_by_the_first_metric_unless_another_is_named_or_none(maps):
    def best(table):
        return recipes.parse(f"{maps}\n[validate]\n{table}", "r.toml").validation.best_metric

    assert best("") == "l1"
    assert best('metrics = ["ssim", "l1"]') == "ssim"
    assert best('keep_best = "psnr"') == "psnr"
    assert best("keep_best = false") is None
    assert best("metrics = []") is None


@pytest.mark.parametrize("table", ["generator", "discriminator", "adversarial"])
def test_a_table_that_the_method_needs_and_the_recipe_lacks_is_an_error(maps, table):
    values = tomllib.loads(maps)
    del values[table]
    told = problems(dumps(values))
    assert f"the key '{table}' is missing; the method 'pix2pix' needs it" in told


def test_text_that_is_no_toml_is_told_with_its_line(maps):
    assert "r.toml: not valid TOML: " in problems(maps.replace("seed      = 0", "seed == 0"))


def test_a_missing_component_of_a_plugin_is_told_with_what_to_install(maps):
    text = 'requires = ["imtrans-flow"]\n' + maps.replace("unet_256", "flow_net")
    told = problems(text)
    assert "no generator 'flow_net'" in told
    assert "requires.0: 'imtrans-flow' is not installed: pip install imtrans-flow" in told


@pytest.mark.parametrize(
    ("override", "read"),
    [
        ("train.epochs=5", lambda r: r.train.epochs == 5),
        ("train.betas=[0.0, 0.9]", lambda r: r.train.betas == (0.0, 0.9)),
        ("generator.name=resnet_9", lambda r: r.generator.name == "resnet_9"),
        ("generator.width=32", lambda r: r.generator.options == {"width": 32}),
        ("loss.0.weight=10", lambda r: r.loss[0].weight == 10),
        ("loss.l1.weight=10", lambda r: r.loss[0].weight == 10),
        ("data.root=a folder/with spaces", lambda r: r.data.root == "a folder/with spaces"),
        ("seed = 3", lambda r: r.seed == 3),
    ],
)
def test_set_overrides_a_key(maps, override, read):
    # Decay would start after the last epoch.
    maps = maps.replace("decay_from    = 100 ", "decay_from = 1")
    assert read(recipes.parse(maps, "r.toml", [override], catalog()))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("train.epoch=5", "--set train.epoch=5  train: no key 'epoch'; did you mean 'epochs'?"),
        ("epochs=5", "--set epochs=5  no key 'epochs'; did you mean 'train.epochs'?"),
        (
            "train.epochs=many",
            "--set train.epochs=many  train.epochs: 'many' is not a whole number",
        ),
        ("train.epochs", "--set train.epochs: write it as table.key=value"),
        ("loss.l3.weight=1", "--set loss.l3.weight=1: no entry 'l3'; there are 'l1'"),
        ("train.epochs.x=1", "--set train.epochs.x=1: 'train.epochs' is not a table"),
        ("generator.wdith=3", "generator: no key 'wdith'; did you mean 'width'?"),
    ],
)
def test_set_is_checked_like_the_file(maps, override, told):
    assert told in problems(maps, override)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_recipe_written_is_the_recipe_read(name):
    recipe = recipes.read(name, ["generator.norm=instance"], catalog())
    assert recipes.parse(recipes.dumps(recipe), "written", (), catalog()) == recipe


@pytest.mark.parametrize(
    "override",
    [
        "method.discriminator_steps=2",
        "validate.metrics=['l1', {name = 'ssim'}, 'psnr']",
        "validate.metrics=[{name = 'ssim'}, 'psnr']",
        "validate.metrics=[]",
        "validate.keep_best=false",
        "logger=['csv']",
        "augment=[{name = 'rot90'}, {name = 'affine', degrees = 3.0}]",
        "data.layout={name = 'folders', a = 'left', b = 'right'}",
    ],
)
def test_components_are_written_with_their_options_and_read_back(maps, override):
    recipe = recipes.parse(maps, "r.toml", [override], catalog())
    assert recipes.parse(recipes.dumps(recipe), "written", (), catalog()) == recipe


def test_a_list_of_tables_and_texts_is_written_in_one_line():
    values = {"a": ["x", {"name": "y", "z": [1, 2]}], "b": [{"name": "y"}, "x"], "c": [{"d": 1}]}
    text = dumps(values)
    assert tomllib.loads(text) == values
    assert text.splitlines()[0] == 'a = ["x", {"name" = "y", "z" = [1, 2]}]'


def test_texts_survive_being_written(maps):
    odd = 'quote " backslash \\ tab \t del \x7f é 🏠 \u2028'
    recipe = recipes.parse(maps, "r.toml").model_copy(update={"title": odd})
    assert recipes.parse(recipes.dumps(recipe), "written").title == odd


def test_lines_knows_where_keys_stand_whatever_their_form():
    text = 'a = 1\nb.c = """\nx = 2\n"""\n\n[t]\nlist = [\n  1,\n  2,\n]\n'
    text += "[[l]]\nk = 1\n[[l]]\nk = {z = 1}\n"
    found = lines(text)
    expected = {
        ("a",): 1,
        ("b", "c"): 2,
        ("t",): 6,
        ("t", "list"): 7,
        ("l", 0): 11,
        ("l", 0, "k"): 12,
        ("l", 1, "k"): 14,
        ("l", 1, "k", "z"): 14,
    }
    assert expected.items() <= found.items()


def test_the_schema_has_a_default_or_a_reason_for_every_key():
    required = {name for name, field in Recipe.model_fields.items() if field.is_required()}
    assert required == {"data", "train"}  # of the networks and losses the method says which


def test_an_option_can_be_set_on_a_component_that_is_named_alone():
    text = recipes.packaged()["facades"].read_text()
    text = 'method = "pix2pix"\n' + text.replace('layout    = "side_by_side"', 'layout = "folders"')
    overrides = ["method.discriminator_steps=2", "data.layout.a=labels/{split}"]
    recipe = recipes.parse(text, "facades", overrides, catalog())
    assert recipe.method.options == {"discriminator_steps": 2}
    assert recipe.data.layout.name in ("folders", "side_by_side")
    assert recipe.data.layout.options == {"a": "labels/{split}"}
