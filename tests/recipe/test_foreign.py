"""Recipes and settings that nobody would write: one line each, and soon."""

import tomllib
from time import process_time

import pytest

from imtrans.api.errors import ImtransError
from imtrans.host.foreign import reading
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.toml import lines


def refused(text, *overrides):
    with pytest.raises(ImtransError) as caught:
        recipes.parse(text, "x.toml", overrides, catalog())
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"{'.'.join('a' * 1000)} = 1",
        f"[data.source]\n{'.'.join('a' * 900)} = 1",
        f"a = {'[' * 900}{']' * 900}",
        f"a = {'[' * 100}{']' * 100}",
        f"[{'.'.join('a' * 1000)}]",
    ],
)
def test_tables_and_lists_without_end_are_one_line(text):
    assert refused(text).endswith("it is nested too deeply")
    assert "\n" not in refused(text)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (f"train.epochs={'9' * 5000}", "a number in it has too many digits"),
        (f"train.epochs=0x{'f' * 5000}", "train.epochs: a number of more than 64 bits"),
        (f"generator.width={2**70}", "generator.width: a number of more than 64 bits"),
        (f"train.epochs={'[' * 2000}", "it is nested too deeply"),
        (f"{'.'.join('a' * 1000)}=1", "it is nested too deeply"),
        (f"loss.{'9' * 5000}.weight=1", "no entry '9999"),
        ("title=\udcff", "--set title=?: not a text in UTF-8"),
        ("title=\x1b[31m", None),
    ],
)
def test_a_setting_without_end_is_one_short_line(tiny_file, override, said):
    text = tiny_file.read_text()
    if said is None:
        assert recipes.parse(text, "x.toml", [override]).title == override[6:]
        return
    found = refused(text, override)
    assert said in found
    assert len(found) < 500


def test_a_number_of_more_than_64_bits_has_its_line():
    assert refused("seed = 1\ntitle = [0x1_0000_0000_0000_0000]") == (
        "x.toml: 1 problem\n  line 2  title.0: a number of more than 64 bits"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            [f"generator.width={10**18}"],
            "generator 'resnet_6': a number in its options is too large",
        ),
        (
            ["data.load_size=1000000000", "data.crop_size=1000000000"],
            "data.crop_size = 1000000000: no image can be so large",
        ),
    ],
)
def test_sizes_that_no_machine_counts_are_said_without_frames_of_torch(
    imtrans, tiny_file, changes, said
):
    options = [word for change in changes for word in ("--set", change)]
    code, out, err = imtrans("check", tiny_file, *options)
    assert (code, err) == (2, "")
    assert said in out
    assert "frame #" not in out
    code, _, err = imtrans("train", tiny_file, "--dry-run", *options)
    assert code == 2
    assert err.startswith(f"error: {said}")


def test_only_errors_of_reading_become_a_line():
    with pytest.raises(ImtransError, match="^x: cannot be read: a b$"), reading("x"):
        raise ValueError("a\tb\nframe #0: c".replace("\t", " "))
    with pytest.raises(RuntimeError, match="of the program"), reading("x"):
        raise RuntimeError("of the program")
    with pytest.raises(FileNotFoundError), reading("x"):
        raise FileNotFoundError


LONG = [
    "classes = [\n" + "  [1, 2, 3], # ] [\n" * 3000 + "]\n",
    'x = """\n' + 'a line [ " # \\" of text\n' * 20_000 + '"""\n',
    "x = '''\n" + "a line [ \" # '' of text\n" * 20_000 + "'''\n",
    "".join(f"key{number} = {number}\n" for number in range(5000)),
]


@pytest.mark.parametrize("text", LONG, ids=["array", "basic", "literal", "keys"])
def test_the_lines_of_a_long_recipe_are_found_in_one_pass(text):
    start = process_time()
    found = lines(f"{text}y = 1\n")
    assert process_time() - start < 1
    assert found[("y",)] == text.count("\n") + 1


def test_the_line_of_every_key_is_known():
    text = "\n".join(
        [
            '# [ " {',
            'title = "a # ] [ \\" b"  # {',
            "'l [' = 'c ] \\'  # \"",
            '"q # [".d = """x',
            "[y]",
            '"" \\" z""""',
            'e = """',
            '"""',
            "f . g = '''",
            'i = 1 """',
            "'''''",
            "h = [  # [",
            '  { i = "}", j = [] }, ',
            "  1979-05-27T07:32:00Z,",
            "]",
            'k = { l.m = 1, "n o" = { p = [',
            "  1 ] } }",
            "[t]",
            "a = 1",
            '[ "u # ]" . v ]',
            "a = 1",
            "[[w]]",
            "[[w]]  # [",
            "a = 1",
            "[w.x]",
            'b = ""',
        ]
    )
    tomllib.loads(text)
    assert lines(text) == {
        ("title",): 2,
        ("l [",): 3,
        ("q # [",): 4,
        ("q # [", "d"): 4,
        ("e",): 7,
        ("f",): 9,
        ("f", "g"): 9,
        ("h",): 12,
        ("k",): 16,
        ("k", "l"): 16,
        ("k", "l", "m"): 16,
        ("k", "n o"): 16,
        ("k", "n o", "p"): 16,
        ("t",): 18,
        ("t", "a"): 19,
        ("u # ]", "v"): 20,
        ("u # ]", "v", "a"): 21,
        ("w", 0): 22,
        ("w", 1): 23,
        ("w", 1, "a"): 24,
        ("w", "x"): 25,
        ("w", "x", "b"): 26,
    }
