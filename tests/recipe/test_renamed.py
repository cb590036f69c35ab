"""Keys of earlier versions: errors in a recipe, and read as what they meant in runs."""

import pytest

from imtrans.api.errors import ImtransError
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.renamed import RENAMED

VALUES = {
    "validate_every": "7",
    "validate_pairs": "2",
    "keep_best": '"psnr"',
    "patience": "3",
    "discriminator_steps": "2",
    "discriminator_learning_rate": "1e-5",
}


@pytest.fixture
def old_file(tiny_file):
    """A recipe in which every key has its old name."""
    keys = "".join(f"{key} = {value}\n" for key, value in VALUES.items())
    text = tiny_file.read_text().replace("[adversarial]", "[objective]") + keys
    tiny_file.write_text(text)
    return tiny_file


def problems(file, *overrides):
    with pytest.raises(ImtransError) as caught:
        recipes.read(file, overrides, catalog())
    return str(caught.value).splitlines()


def test_the_values_here_are_all_that_were_renamed():
    assert {("objective",), *(("train", key) for key in VALUES)} == set(RENAMED)


def test_each_old_key_is_an_error_with_its_line_and_its_new_name(old_file):
    found = problems(old_file)
    assert found[0].endswith(f"{len(RENAMED)} problems")
    lines = old_file.read_text().splitlines()
    for old, new in RENAMED.items():
        start = "[objective]" if len(old) == 1 else f"{old[-1]} = "
        number = next(n for n, line in enumerate(lines, 1) if line.startswith(start))
        (problem,) = (row for row in found[1:] if f"line {number} " in row)
        assert f"{'.'.join(old)}: is now called {'.'.join(new)}" in problem
    assert sum("a factor of train.learning_rate" in row for row in found) == 1


def test_an_old_key_of_the_command_line_is_an_error_too(tiny_file):
    found = problems(tiny_file, "train.validate_every=7")
    assert "--set train.validate_every=7" in found[1]
    assert "is now called validate.every" in found[1]


def test_what_an_earlier_version_wrote_means_the_same(old_file):
    recipe = recipes.read(old_file, catalog=catalog(), old=True)
    table = recipe.validation
    assert (table.every, table.pairs, table.keep_best, table.patience) == (7, 2, "psnr", 3)
    assert recipe.adversarial.name == "vanilla"
    assert recipe.method.name == "pix2pix"
    assert recipe.method.options == {
        "discriminator_steps": 2,
        "discriminator_rate": pytest.approx(1e-5 / 2e-4),
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('method = "pix2pix"', "is now called method.discriminator_steps"),
        ("method = 3", "is now called method.discriminator_steps"),
        ('validate = "often"', "is now called validate.every"),
        ("train.learning_rate = 0", "train.learning_rate: 0 is not greater than 0"),
        ('train.learning_rate = "low"', "train.learning_rate: 'low' is not a number"),
        ('train.discriminator_learning_rate = "low"', "is now called method.discriminator_rate"),
    ],
)
def test_an_old_key_beside_another_mistake_is_still_one_line(old_file, line, said):
    override = line.replace(" ", "")
    assert any(said in row for row in problems(old_file, override))
