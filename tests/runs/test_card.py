"""The card of a run: what it says, what it hides, and that hubs can read it."""

import re

import pytest
from resealing import reseal

from imtrans.recipe import reading as recipes
from imtrans.runs.card import card, facts_of
from imtrans.runs.card.front_matter import in_yaml
from imtrans.runs.card.text import is_as_written
from imtrans.runs.sharing import last_name, shareable_recipe

yaml = pytest.importorskip("yaml")


@pytest.fixture
def run(finished_run, tmp_path):
    return finished_run(tmp_path / "runs" / "tiny")


def header_of(text):
    return yaml.safe_load(text.split("---\n")[1])


def with_recipe(run, old, new):
    """The run, had its recipe said something else."""
    for file in (run / "checkpoints").glob("*/*.safetensors"):
        reseal(file, lambda facts: facts | {"recipe": facts["recipe"].replace(old, new)})
    return run


def test_it_says_what_is_known(imtrans, run):
    code, text, err = imtrans("card", "tiny", "--license", "Apache-2.0")
    assert (code, err) == (0, "")
    header = header_of(text)
    assert header["library_name"] == "imtrans"
    assert header["pipeline_tag"] == "image-to-image"
    assert header["license"] == "apache-2.0"
    assert header["metrics"] == ["l1", "psnr", "ssim"]
    (result,) = header["model-index"][0]["results"]
    assert result["dataset"]["name"] == "pairs"
    assert {one["type"]: one["value"] for one in result["metrics"]}["psnr"] > 0
    for said in (
        "# tiny",
        "pix2pix, resnet_6 + patch_16, vanilla + 100 l1",
        "trained on 6 pairs",
        "on 3 validation pairs",
        "of step 12",
        "12 steps, 2 epochs of 2",
        "direction: AtoB",
        "RGB, 8 bits per channel",
        'imtrans.load("hf://OWNER/tiny")',
        'root = "pairs"',
    ):
        assert said in text, said


def test_it_names_no_folder_of_this_machine(run, tmp_path):
    text = card(facts_of(run))
    assert str(tmp_path) not in text
    assert tmp_path.name not in text


def test_a_run_its_name_its_best_and_a_checkpoint_have_one(imtrans, run, tmp_path):
    newest = sorted((run / "checkpoints").glob("step_*"))[-1]
    cards = [
        imtrans("card", named)[1]
        for named in (run, "tiny", newest, newest / "generator.safetensors")
    ]
    assert len(set(cards)) == 1
    assert "## Metrics" in imtrans("card", run, "--best")[1]
    lonely = tmp_path / "lonely"
    newest.rename(lonely)
    code, text, _ = imtrans("card", lonely)
    assert (code, header_of(text)["model-index"][0]["results"]) == (0, [])
    assert "# tiny" in text


def test_without_its_data_it_counts_what_the_run_knows(run, pairs):
    pairs.rename(pairs.with_name("gone"))
    text = card(facts_of(run))
    assert "trained on 6 pairs" in text
    assert "up to 100 validation pairs" in text


def test_a_plugin_that_is_not_here_is_named_and_not_needed(run):
    used = '{"imtrans-wavelet": "1.2", "x; rm -rf": "1"}'
    for file in (run / "checkpoints").glob("*/*.safetensors"):
        reseal(file, lambda facts: facts | {"plugins": used})
    with_recipe(run, 'layout = "side_by_side"', 'layout = "wavelet"')
    text = card(facts_of(run))
    assert 'pip install "imtrans[hub]" imtrans-wavelet==1.2\n' in text
    assert "trained on 6 pairs" in text


def test_it_is_written_to_a_file(imtrans, run, tmp_path):
    assert imtrans("card", "tiny", "--output", "README.md") == (0, "", "")
    text = (tmp_path / "README.md").read_text()
    assert text == card(facts_of(run))
    assert is_as_written(text)
    assert is_as_written(text.replace("\n", "\r\n"))
    assert not is_as_written(text.replace("tiny", "mine"))
    assert not is_as_written("# mine\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing",), "nothing: no such checkpoint"),
        (("tiny", "--license", "my own: yes"), "no licence 'my own: yes'"),
        (("tiny", "--output", "no/folder.md"), "no such file or directory"),
        (("",), "it is empty"),
    ],
)
def test_a_mistake_is_one_line(imtrans, run, arguments, said):
    code, _, err = imtrans("card", *arguments)
    assert code == 2
    assert said in err


HOSTILE = [
    'a: "b" #c',
    "- [x]\n--- {",
    "yes",
    "null",
    "é\x1b[31m\x85\u2028",
    "a\\b'c",
    "\udce9",
    "😀",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_is_one_value_of_yaml(text):
    written = in_yaml(text)
    assert "\n" not in written
    read = yaml.safe_load(f"- {written}\n- next")
    assert read == [text.encode("utf-8", "replace").decode(), "next"]


def test_a_title_cannot_break_out(run):
    wicked = r'title = "```\n---\nlicense: mit\n# [x](y) <b>"'
    text = card(facts_of(with_recipe(run, 'title = "tiny"', wicked)))
    assert header_of(text)["license"] == "unknown"
    heading = next(line for line in text.splitlines() if line.startswith("# "))
    assert re.search(r"(?<!\\)[<`\[]", heading) is None
    fence = re.search(r"^(`{3,})toml$", text, re.MULTILINE)[1]
    assert len(fence) == 4
    assert text.count(f"\n{fence}\n") == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/anna/maps", "maps"),
        ("datasets/maps/", "maps"),
        ("C:\\Users\\anna\\maps", "maps"),
        ("../../maps", "maps"),
        ("~/", "data"),
        ("..", "data"),
        ("C:\\", "data"),
    ],
)
def test_of_a_path_the_last_name_is_kept(path, name):
    assert last_name(path) == name


def test_the_folder_of_a_person_is_no_name(monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    assert last_name("/home/anna") == "data"


def test_a_recipe_that_leaves_has_no_paths_and_no_loggers(tiny_file):
    text = tiny_file.read_text().replace(
        "epochs = 2", 'epochs = 2\ninit_from = "/home/anna/runs/first"'
    )
    text = text.replace("[data]", '[data]\ntrain = "/mnt/anna/train"') + (
        '\n[[logger]]\nname = "x"\ntoken = "secret"\n'
    )
    recipe = recipes.parse(text.replace('"tiny"', '"as in /home/anna"'), "here")
    shared = shareable_recipe(recipe)
    assert "secret" not in shared
    assert shared.count("anna") == 1  # in the title, which is for people
    read = recipes.parse(shared, "there")
    assert read.data.train == "train"
    assert read.train.init_from == "first"
    assert read.generator == recipe.generator
