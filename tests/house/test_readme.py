"""Every snippet of the README is run; those of the plugin guide are in test_guide.py."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from drawn import draw_picture
from PIL import Image
from snippets import SnippetPoint, broken_links, module_of, snippets

from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog, collect
from imtrans.recipe.schema import DataTable, SideTable, TrainTable
from imtrans.recipe.toml import dumps
from imtrans.sweeping.file import SweepTable, read_sweep
from imtrans.sweeping.variants import resolved

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "given" / "golden"
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "recipes" / "README.md").read_text()

# Training is shortened to a moment; everything else is run as it stands.
HURRY = ["generator.width=2", "discriminator.width=2", "train.epochs=1", "train.decay_from=1"]


@pytest.fixture
def desk(tmp_path):
    """What a reader of the README has at hand."""
    (tmp_path / "slides").mkdir()
    for number in range(16):  # of which two are for validation
        picture = draw_picture(number, (64, 64))
        picture.save(tmp_path / "slides" / f"{number}_he.png")
        picture.rotate(180).save(tmp_path / "slides" / f"{number}_ihc.png")
    (tmp_path / "photos").mkdir()
    draw_picture(1, (70, 50)).save(tmp_path / "photos" / "house.png")
    draw_picture(1, (70, 50)).save(tmp_path / "city.tif")
    for name, file in (
        ("latest_net_G.pth", "generator-unet_128-batch-3ch.pth"),
        ("latest_net_D.pth", "discriminator-basic-batch-6ch.pth"),
    ):
        shutil.copy(GOLDEN / file, tmp_path / name)
    return tmp_path


def run(imtrans, line, folder):
    """One line of a bash snippet; `> file` is understood."""
    program, *words = shlex.split(line, comments=True)
    assert program == "imtrans", line
    target = None
    if ">" in words:
        words, target = words[: words.index(">")], words[-1]
    if words[0] == "bench":
        words += ["--rounds", "2"]
    if words[:2] == ["bench", "translate"]:
        words += ["--images", "4"]
    if words[0] in ("train", "check", "bench"):
        words += [part for key in HURRY for part in ("--set", key)]
    code, out, err = imtrans(*words)
    assert code == 0, f"{line}\n{out}{err}"
    if target:
        (folder / target).write_text(out)


@pytest.mark.thorough
def test_the_readme_works_from_top_to_bottom(imtrans, desk, quick_bench):
    for block in snippets(README, "bash"):
        for line in block.strip().splitlines():
            run(imtrans, line, desk)
    assert (desk / "photos-my-task" / "house.png").is_file()
    assert (desk / "facades" / "house.png").is_file()
    load = next(code for code in snippets(README, "python") if "imtrans.load" in code)
    exec(compile(load, "README.md", "exec"), {})
    assert (desk / "house-as-map.png").is_file()
    runs_without_imtrans(next(code for code in snippets(README, "python") if "onnx" in code))
    with Image.open(desk / "house-by-onnx.png") as made:
        assert made.size == (70, 50)


def runs_without_imtrans(code):
    alone = "import sys; sys.modules |= dict.fromkeys(['torch', 'imtrans'])\n"
    subprocess.run([sys.executable, "-c", alone + code], check=True)


def test_the_recipe_in_the_readme_is_whole():
    (text,) = (text for text in snippets(README, "toml") if not is_sweep(text))
    recipes.parse(text, "README.md", (), catalog())


def is_sweep(text):
    return "variants" in tomllib.loads(text)


@pytest.mark.parametrize("page", [README, REFERENCE], ids=["README", "recipes/README"])
def test_the_sweep_of_a_page_can_be_read(page, tmp_path):
    (text,) = filter(is_sweep, snippets(page, "toml"))
    (tmp_path / "sweep.toml").write_text(text)
    file = read_sweep(tmp_path / "sweep.toml")
    assert len(resolved(file, catalog())) == len(file.variants)
    assert not file.problems
    told = set(re.findall(r"^\| `\[?(\w+)", REFERENCE[REFERENCE.index("## Sweeps") :], re.M))
    assert told == {field.alias or name for name, field in SweepTable.model_fields.items()}


def test_the_table_of_recipes_names_every_recipe_with_its_epochs():
    told = {
        name: int(row.split("|")[4])
        for row in README.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert told == {name: recipes.read(name).train.epochs for name in recipes.packaged()}


def test_every_make_target_of_the_readme_exists():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"make (\w+)", README)) <= {*targets, "machine"}


def test_a_python_snippet_that_registers_something_is_a_working_plugin():
    for code in snippets(README, "python"):
        if "hookimpl" in code:
            found = collect([SnippetPoint(module_of(code))])
            assert not found.broken
            assert sum(len(registry.names()) for registry in found.registries.values())


def test_the_snippets_of_the_recipe_reference_fit_into_a_recipe():
    """Each replaces what it names in a recipe that is otherwise whole."""
    for text in snippets(REFERENCE, "toml"):
        if is_sweep(text):
            continue
        values = tomllib.loads(recipes.packaged()["maps"].read_text())
        snippet = tomllib.loads(text)
        if "derive" in snippet.get("data", {}):
            values["data"]["layout"] = "photos"
            del values["data"]["direction"]
        values["data"] |= snippet.pop("data", {})
        recipes.parse(dumps(values | snippet), "recipes/README.md", (), catalog())


def test_the_recipe_reference_names_every_key_and_component_of_data():
    known = {*DataTable.model_fields, *SideTable.model_fields, *TrainTable.model_fields}
    found = catalog()
    for registry in (found.layouts, found.derivations, found.augmentations):
        known |= {name for c in registry for name in (c.name, *c.options)}
    told = set(re.findall(r"\w+", " ".join(re.findall(r"```.*?```|`[^`]*`", REFERENCE, re.DOTALL))))
    assert not known - told - {"workers", "both", "names"}


def test_links_lead_somewhere():
    assert broken_links(ROOT / "README.md") == []
