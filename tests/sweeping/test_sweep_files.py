"""A sweep's file: what it may say, and one report of all that is wrong with it."""

import shutil

import pytest
from small_sweep import write_sweep

from imtrans.api.errors import ImtransError
from imtrans.recipe.catalog import catalog
from imtrans.recipe.shelves import SWEEPS
from imtrans.sweeping.file import read_sweep
from imtrans.sweeping.planning import Planner
from imtrans.sweeping.variants import resolved

HEAD = 'recipe = "small.toml"\n'


@pytest.fixture
def refused(imtrans, tmp_path):
    """Writes a sweep and runs it; returns what it is refused for, line by line."""
    write_sweep(tmp_path)

    def lines(text, *options):
        (tmp_path / "wrong.toml").write_text(text)
        code, out, err = imtrans("sweep", "wrong.toml", "--device", "cpu", *options)
        assert (code, out) == (2, "")
        assert not (tmp_path / "runs" / "sweeps" / "wrong").exists()
        return [" ".join(line.split()) for line in err.splitlines()]

    return lines


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Writes a sweep; returns the recipes of its variants."""
    write_sweep(tmp_path)
    monkeypatch.chdir(tmp_path)

    def recipes(text, *settings):
        (tmp_path / "own.toml").write_text(text)
        file = read_sweep("own.toml", settings)
        found = resolved(file, catalog())
        file.problems.refuse(found)
        return found

    return recipes


@pytest.mark.parametrize("name", SWEEPS.packaged())
def test_every_packaged_sweep_can_be_read(name):
    file = read_sweep(name)
    assert len(resolved(file, catalog())) == len(file.variants)
    assert not file.problems


def test_all_problems_are_reported_together_with_their_lines(refused):
    text = """recipe = "small.toml"
seeds = [0, 0]
equal = "steps"
[set]
train.epoch = 3
[variants.one]
[variants."a/b"]
"adversarial.name" = "hing"
[variants.two]
"loss.l7.weight" = 3
seed = 5
[variants.Two]
recipe = "other.toml"
[variants.three]
"train.epochs" = 7
[variants.four.generator]
width = 0
[variants.five.train]
epochs = 7
"""
    assert refused(text, "--set", "data.rot=3", "--set", "seed=4") == [
        "error: wrong.toml: 13 problems",
        "line 2 seeds: 0 appears more than once",
        "line 5 train: no key 'epoch'; did you mean 'epochs'?",
        "line 7 variants: 'a/b' cannot be a part of a folder's name; use letters, digits, '_' and "
        "'-'",
        "line 8 variants.a/b: adversarial.name: no adversarial loss 'hing'; did you mean 'hinge'?",
        "line 10 variants.two: no entry 'l7'; there are 'l1'",
        "line 11 variants.two: the seeds are in 'seeds', for all variants",
        "line 12 variants: 'Two' and 'two' are one folder on some disks",
        "line 13 variants.Two: other.toml: no such recipe file",
        'line 15 variants.three: its epochs follow from equal = "steps"; leave train.epochs out',
        "line 17 variants.four: generator.width: 0 is not greater than or equal to 1",
        'line 19 variants.five: its epochs follow from equal = "steps"; leave train.epochs out',
        "--set data.rot=3 data: no key 'rot'; did you mean 'root'?",
        "--set seed=4 the seeds are in 'seeds', for all variants",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed = [1]\n[variants.a]\n[variants.b]\n", "line 1 no key 'seed'; did you mean 'seeds'?"),
        ("seeds = []\n[variants.a]\n[variants.b]\n", "line 1 seeds: name one or more, as in"),
        ("seeds = [-1]\n[variants.a]\n[variants.b]\n", "line 1 seeds.0: -1 is not greater than"),
        (HEAD, "line 1 the key 'variants' is missing"),
        (f"{HEAD}variants = 3\n", "line 2 variants: 3 is not a table"),
        (f"{HEAD}[variants.a]\n", "line 2 variants: name two or more, as in"),
        ("[variants.a]\n[variants.b]\n", "line 1 variants.a: names no recipe, and neither does"),
        (f"{HEAD}[variants.a]\n[variants.b]\n", "line 3 variants.b: the same recipe as 'a'"),
        (
            f'{HEAD}[evaluate]\n"data.rot" = 1\n[variants.a]\n[variants.b]\n"data.flip" = false\n',
            "line 1 [evaluate] data: no key 'rot'; did you mean 'root'?",
        ),
        (
            'equal = "hours"\n[variants.a]\n[variants.b]\n',
            "line 1 equal: 'hours' is not one of 'time', 'steps'",
        ),
    ],
)
def test_a_problem_is_one_line(refused, text, message):
    assert any(line.startswith(message) for line in refused(text)), refused(text)


def test_what_is_no_sweep_is_refused_by_name(imtrans, tmp_path):
    write_sweep(tmp_path)
    assert "small.toml: a recipe, and no sweep; `imtrans train" in imtrans("sweep", "small.toml")[2]
    assert "no sweep 'quik'" in imtrans("sweep", "quik")[2]
    assert "did you mean 'quick'?" in imtrans("sweep", "quik")[2]
    (tmp_path / "torn.toml").write_text("recipe = [")
    assert "torn.toml: not valid TOML" in imtrans("sweep", "torn.toml")[2]


def test_missing_data_is_one_problem_of_all_variants(refused, tmp_path):
    shutil.rmtree(tmp_path / "pairs")
    text = f'{HEAD}[variants.a]\n[variants.b]\n"adversarial.name" = "hinge"\n'
    _, line = refused(text)
    assert line.startswith("line 1 pairs: no such folder")


def test_pairs_that_could_not_be_compared_are_refused(refused):
    variants = '[variants.a]\n[variants.b]\n"adversarial.name" = "hinge"\n'
    shares = f'{HEAD}seeds = [0, 1]\n[set]\n"data.validation" = 0.3\n{variants}'
    assert "drawn from the seed" in refused(shares)[1]
    other = HEAD + variants.replace('"adversarial.name" = "hinge"', 'data.root = "others"')
    shutil.copytree("pairs", "others")
    for number in range(6):
        file = f"others/val/{number:03d}.png"
        shutil.move(file, file.replace(".png", "-b.png"))
    assert (
        "line 3 variants.b: its validation pairs are others than those of 'a'" in refused(other)[1]
    )


def test_what_no_step_can_be_taken_on_is_found_before_the_first_training(refused):
    text = f'{HEAD}[variants.a]\n[variants.b]\n"train.learning_rate" = 1e30\n'
    assert refused(text)[1].startswith("line 3 variants.b: the loss ")


def test_tables_are_merged_and_components_replaced(read):
    found = read(
        f"""{HEAD}
[set.train]
epochs = 7
[variants.merged.generator]
width = 3
[variants.replaced]
generator = {{ name = "resnet_6", width = 5 }}
[variants.loss]
"loss.l1.weight" = 7
loss.l1.weight = 8
"""
    )
    train = {name: recipe.train for name, recipe in found.items()}
    assert {(one.epochs, one.log_every) for one in train.values()} == {(7, 2)}
    assert found["merged"].generator.name == "resnet_1"
    assert found["merged"].generator.options == {"width": 3}
    assert found["replaced"].generator.options == {"width": 5}
    assert found["loss"].loss[0].weight == 8


def test_a_variant_may_start_from_another_recipe(read, tmp_path):
    (tmp_path / "sub").mkdir()
    text = (tmp_path / "small.toml").read_text().replace('"vanilla"', '"lsgan"')
    (tmp_path / "sub" / "other.toml").write_text(text)
    found = read(f'{HEAD}[variants.a]\n[variants.b]\nrecipe = "sub/other.toml"\n')
    assert [one.adversarial.name for one in found.values()] == ["vanilla", "lsgan"]


def test_what_the_command_line_sets_is_set_in_all_variants(read):
    text = f'{HEAD}[variants.a]\n[variants.b]\n"train.batch_size" = 2\n"train.log_every" = 3\n'
    found = read(text, "train.log_every=5")
    assert [one.train.log_every for one in found.values()] == [5, 5]


def test_a_damaged_sweep_json_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = read_sweep(write_sweep(tmp_path))
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "sweep.json").write_text('{"first": 3')
    with pytest.raises(ImtransError, match=r"sweep\.json: damaged; remove it"):
        Planner(file, tmp_path / "there", catalog(), "cpu", print)
