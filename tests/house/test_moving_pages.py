"""The pages for those who come from the published code: what they say is run, and true."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
from drawn import draw_picture, write_pairs
from flag_table import flag_table
from published_options import PIX2PIX, SMALL, printed
from snippets import broken_links, snippets
from tiny_recipe import write_tiny

from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.recipe.toml import dumps

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "given" / "golden"
COMING = ROOT / "docs" / "coming-from.md"
QUESTIONS = ROOT / "docs" / "questions.md"
RELEASING = ROOT / "docs" / "releasing.md"
TRACKERS = {
    "": "junyanz/pytorch-CycleGAN-and-pix2pix",
    "phillipi/pix2pix": "phillipi/pix2pix",
    "affinelayer/pix2pix-tensorflow": "affinelayer/pix2pix-tensorflow",
}


def test_the_table_of_flags_is_that_of_the_mapping():
    table = re.search(r"<!-- flags -->\n(.*)\n<!-- end of flags -->", COMING.read_text(), re.DOTALL)
    assert table[1] == flag_table()


@pytest.mark.parametrize("page", [COMING, QUESTIONS, RELEASING], ids=lambda page: page.stem)
def test_links_of_these_pages_lead_somewhere(page):
    assert broken_links(page) == []


def test_every_question_names_its_threads():
    parts = QUESTIONS.read_text().split("\n### ")[1:]
    assert len(parts) > 20
    for part in parts:
        threads = re.findall(r"\[([\w/-]*)#(\d+)\]\(https://github.com/(.+?)/issues/(\d+)\)", part)
        assert threads, part
        for short, number, repository, again in threads:
            assert (TRACKERS[short], number) == (repository, again)


@pytest.mark.parametrize("text", snippets(QUESTIONS.read_text(), "toml"))
def test_a_snippet_of_the_questions_fits_into_a_recipe(text):
    values = tomllib.loads(recipes.packaged()["maps"].read_text())
    snippet = tomllib.loads(text)
    values["data"] |= snippet.pop("data", {})
    recipes.parse(dumps(values | snippet), "questions.md", (), catalog())


@pytest.fixture
def experiment(tmp_path):
    """What a reader has who trained with that code, in miniature."""
    folder = tmp_path / "checkpoints" / "facades_pix2pix"
    folder.mkdir(parents=True)
    changed = SMALL | {"n_epochs": "1", "n_epochs_decay": "0"}
    (folder / "train_opt.txt").write_text(printed(PIX2PIX | changed))
    weights = {
        folder / "latest_net_G.pth": "generator-unet_128-batch-3ch.pth",
        folder / "latest_net_D.pth": "discriminator-basic-batch-6ch.pth",
        tmp_path / "latest_net_G.pth": "generator-unet_128-batch-3ch.pth",
    }
    for path, name in weights.items():
        shutil.copy(GOLDEN / name, path)
    write_pairs(tmp_path / "datasets" / "facades" / "train", 2)
    write_pairs(tmp_path / "datasets" / "facades" / "val", 2)
    write_photos(tmp_path / "photos")


@pytest.fixture
def questioner(tmp_path, imtrans):
    """A trained run, photographs, and slides in pairs."""
    recipe = write_tiny(tmp_path, "auto")
    recipe.rename(tmp_path / "my-task.toml")
    assert imtrans("train", "my-task.toml")[0] == 0
    shutil.copy(GOLDEN / "generator-unet_128-batch-3ch.pth", tmp_path / "latest_net_G.pth")
    write_photos(tmp_path / "photos")
    (tmp_path / "slides").mkdir()
    for number in range(10):
        picture = draw_picture(number, (64, 64))
        picture.save(tmp_path / "slides" / f"{number}_he.png")
        picture.rotate(180).save(tmp_path / "slides" / f"{number}_ihc.png")


def write_photos(folder):
    (folder / "sub").mkdir(parents=True)
    draw_picture(1, (70, 50)).save(folder / "house.png")
    draw_picture(2, (45, 61)).save(folder / "sub" / "barn.jpg")


def run_all(imtrans, page):
    for block in snippets(page.read_text(), "bash"):
        for line in block.strip().splitlines():
            program, *words = shlex.split(line)
            assert program == "imtrans"
            code, out, err = imtrans(*words)
            assert code == 0, f"{line}\n{out}{err}"


@pytest.mark.thorough
def test_an_experiment_moves_by_the_commands_of_the_page(imtrans, experiment, tmp_path):
    run_all(imtrans, COMING)
    assert (tmp_path / "facades" / "sub" / "barn.png").is_file()
    assert (tmp_path / "runs" / "facades").is_dir()


@pytest.mark.thorough
def test_the_answers_run(imtrans, questioner, tmp_path):
    run_all(imtrans, QUESTIONS)
    assert (tmp_path / "photos-native" / "house.png").is_file()
    assert len(list((tmp_path / "by-chance").glob("seed-*"))) == 3
