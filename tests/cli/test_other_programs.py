"""Options that users of other programs type, and what the error points to."""

import re
import shlex

import pytest

from imtrans.cli.other_programs import TRAINING, TRANSLATING
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "maps", "--epochs", "5"], "use --set train.epochs=5"),
        (["train", "maps", "--epochs=7"], "use --set train.epochs=7"),
        (["train", "maps", "--epochs"], "use --set train.epochs=5"),
        (["train", "maps", "--resume"], "the same command again continues a run where it stopped"),
        (["train", "maps", "--batch-size", "4"], "use --set train.batch_size=4"),
        (["train", "maps", "--batch_size", "4"], "use --set train.batch_size=4"),
        (["train", "maps", "--lr", "1e-4"], "use --set train.learning_rate=1e-4"),
        (["train", "--name", "my maps"], "use --run-dir runs/'my maps'"),
        (["train", "maps", "--gpu_ids", "1"], "use --device cuda:1"),
        (["train", "maps", "--dataroot", "pairs"], "use --set data.root=pairs"),
        (["--epochs", "5", "train", "maps"], "use --set train.epochs=5"),
        (["check", "maps", "--dataroot", "pairs"], "use --set data.root=pairs"),
        (["bench", "train", "--lr", "1"], "use --set train.learning_rate=1"),
        (["translate", "--results_dir", "out", "photos"], "use --output out"),
        (["translate", "--name", "maps", "photos"], "use --checkpoint runs/maps"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_of_another_program_says_what_does_the_same_here(imtrans, arguments, said):
    code, _, err = imtrans(*arguments)
    assert code == 2
    assert said in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "maps", "--bogus", "--epochs", "5"],
        ["doctor", "--epochs", "5"],
        ["check", "maps", "--name", "x"],
        ["check", "maps", "--resume"],
        ["runs", "list", "--lr", "1"],
    ],
    ids=" ".join,
)
def test_nothing_is_pointed_to_that_the_command_does_not_have(imtrans, arguments):
    code, _, err = imtrans(*arguments)
    assert (code, "No such option" in err, "; " in err) == (2, True, False)


def test_a_misspelt_option_still_gets_its_near_one(imtrans):
    assert "--run-dir" in imtrans("train", "maps", "--run-di", "x")[2]


@pytest.mark.parametrize("option", TRAINING)
def test_every_pointer_names_what_there_is(option):
    """A key that a recipe takes, with a value that it takes there, or an option of the command."""
    words = shlex.split(TRAINING[option](None))
    keys = [words[i + 1].rstrip(":") for i, word in enumerate(words) if word == "--set"]
    if keys and not any(key.startswith("train.decay_from") for key in keys):
        keys.append("train.decay_from=1")  # which no number of epochs is less than
    recipes.read("facades", keys, catalog())
    assert keys or re.match(r"use --(run-dir|device|fresh)|the same command", " ".join(words))


def test_pointers_of_translate_are_options_of_it(imtrans):
    known = imtrans("translate", "--help")[1]
    for point in TRANSLATING.values():
        for option in re.findall(r"(?<!with )--[\w-]+", point(None)):
            assert option in known


@pytest.mark.parametrize("command", [(), ("train",), ("runs", "clean"), ("data", "cache")])
def test_switches_take_no_value_in_the_help(imtrans, command):
    code, out, _ = imtrans(*command, "--help")
    assert (code, "<bool>" in out) == (0, False)
