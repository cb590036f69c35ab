"""`imtrans plugins new`: every role is written, is found, keeps its promises and is clean code."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from unpacked import unpacked

from imtrans.api.errors import ImtransError
from imtrans.cli import third_party
from imtrans.cli.plugins.new import NewRole
from imtrans.data.drawn.pairs import draw_pairs
from imtrans.recipe.catalog import catalog
from imtrans.recipe.reading import read
from imtrans.scaffold import demo
from imtrans.scaffold import package as package_module
from imtrans.scaffold.names import LONGEST
from imtrans.scaffold.package import write_package
from imtrans.scaffold.roles import ROLES

ROOT = Path(__file__).parents[2]
COMPONENTS = [role for role in ROLES if ROLES[role].hook]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a package of every role: imtrans-new-ROLE/. To draw pictures takes longest, so
    there are few."""
    folder = tmp_path_factory.mktemp("packages")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "SPLITS", {"train": 4, "val": 4})
        patch.setattr(demo, "draw_pairs", cache(lambda *args, **kw: [*draw_pairs(*args, **kw)]))
        for role in ROLES:
            write_package(f"new-{role}", role, folder, catalog())
    return folder


@pytest.fixture(scope="module")
def installed(written, tmp_path_factory):
    """The same, all installed."""
    with unpacked(tmp_path_factory.mktemp("site") / "packages", *written.iterdir()):
        yield written


def component(role):
    return getattr(catalog(), ROLES[role].hook)[f"new_{role}"]


@pytest.mark.parametrize("role", COMPONENTS)
def test_a_new_component_is_found_and_documented(installed, role):
    found = component(role)
    assert found.plugin.distribution == f"imtrans-new-{role}"
    assert found.made.__name__ == f"New{ROLES[role].suffix}"
    assert "not documented" not in found.documentation
    assert found.options, "an example has an option"


def test_a_new_command_is_found(installed):
    (point,) = entry_points(group=third_party.GROUP, name="new-command")
    assert point.dist.name == "imtrans-new-command"
    assert point.load().registered_commands


@pytest.mark.parametrize("role", [*ROLES])
def test_a_new_plugin_keeps_its_contract(installed, imtrans, role):
    code, out, err = imtrans("plugins", "check", installed / f"imtrans-new-{role}")
    assert (code, err) == (0, ""), out
    assert "kept, no faults" in out.splitlines()[-1]


@pytest.mark.parametrize("role", COMPONENTS)
def test_the_recipe_of_a_new_plugin_uses_it_and_requires_it(installed, role):
    recipe = installed / f"imtrans-new-{role}" / f"new_{role}.toml"
    assert read(recipe, catalog=catalog()).requires == (f"imtrans-new-{role}",)
    text = recipe.read_text()
    used = text.replace(f'name = "new_{role}"', "").replace(f'name   = "new_{role}"', "")
    assert f"new_{role}" in used
    options = component(role).options
    assert any(f"\n{option} " in text or f" {option} " in text for option in options)


@pytest.fixture(scope="module")
def long_named(tmp_path_factory):
    """The same under the longest name, without pictures."""
    folder = tmp_path_factory.mktemp("long")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package_module, "write_demo", lambda *_: None)
        for role in ROLES:
            name = role + "-" + "x" * (LONGEST - len(role) - 1)
            write_package(name, role, folder, catalog())
    return folder


def test_new_code_is_clean_and_formatted_by_the_rules_of_this_repository(written, long_named):
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    for package in (*written.iterdir(), *long_named.iterdir()):
        own = tomllib.loads((package / "pyproject.toml").read_text())["tool"]["ruff"]
        assert own["line-length"] == rules["line-length"]
        assert own["lint"]["select"] == rules["lint"]["select"]
    for command in (["check"], ["format", "--check"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", written, long_named],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout


def test_the_texts_of_a_package_have_no_gaps_and_no_long_lines(written, long_named):
    for path in (*written.rglob("*"), *long_named.rglob("*")):
        if path.suffix in (".md", ".toml"):
            text = path.read_text()
            assert "\n\n\n" not in text, path
            assert max(map(len, text.splitlines())) <= 130, path
            assert "{" not in text.replace("{ name =", ""), path


def test_the_command_offers_every_role():
    assert [*NewRole] == [*ROLES]


def test_the_command_says_what_to_do_next(imtrans, tmp_path):
    code, out, err = imtrans("plugins", "new", "imtrans-sharp-edges", "--role", "loss")
    assert (code, err) == (0, "")
    wrote, doing = out.splitlines()
    assert wrote == "written to imtrans-sharp-edges: the loss of a plugin, to be changed. next:"
    assert doing == (
        '  cd imtrans-sharp-edges; pip install -e ".[test]"; pytest; '
        "imtrans plugins check imtrans-sharp-edges"
    )
    package = tmp_path / "imtrans-sharp-edges"
    found = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
    assert {path for path in found if not path.startswith("demo/")} == {
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "sharp_edges.toml",
        "imtrans_sharp_edges.py",
        "tests/test_sharp_edges.py",
    }
    assert "class SharpEdgesLoss:" in (package / "imtrans_sharp_edges.py").read_text()


@pytest.mark.parametrize("name", ["sharp-edges", "imtrans-sharp-edges", "sharp_edges"])
def test_a_folder_that_is_there_is_left_as_it_is(imtrans, tmp_path, name):
    (tmp_path / "out" / "imtrans-sharp-edges").mkdir(parents=True)
    kept = tmp_path / "out" / "imtrans-sharp-edges" / "kept.txt"
    kept.write_text("mine")
    code, _, err = imtrans("plugins", "new", name, "--role", "loss", "--output", "out")
    assert code == 2
    assert err == (
        "error: out/imtrans-sharp-edges: is there already. choose another name, or another place "
        "with --output\n"
    )
    assert kept.read_text() == "mine"
    assert [*kept.parent.iterdir()] == [kept]


@pytest.mark.parametrize(
    ("name", "role", "said"),
    [
        ("l1", "loss", "the loss 'l1' is there already, from imtrans.components.losses.pixel"),
        ("unet-256", "generator", "the generator 'unet_256' is there already"),
        ("train", "command", "the command 'imtrans train' is there already. choose another name"),
        ("scaffold.py", "loss", "not a name for a plugin: .*did you mean 'scaffold-py'?"),
        ("Sharp Edges", "loss", "letters a-z and digits.*; did you mean 'sharp-edges'?"),
        ("../edges", "loss", "not a name for a plugin: .*did you mean 'edges'?"),
        ("3d", "loss", "a letter first, with '-' between words$"),
        ("", "loss", "'' is not a name for a plugin: use 2 to 30 letters"),
        ("imtrans-", "loss", "'imtrans-' is not a name"),
        ("a" * 31, "loss", "2 to 30 letters"),
        ("image", "metric", "'image' would make a class ImageMetric, which imtrans has"),
    ],
)
def test_a_name_that_would_not_work_is_refused(imtrans, tmp_path, name, role, said):
    code, _, err = imtrans("plugins", "new", name, "--role", role)
    assert code == 2
    assert re.search(said.replace("?", r"\?"), err.rstrip()), err
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("imtrans")]


def test_a_module_that_is_there_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "imtrans_hidden.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImtransError, match="there is a module 'imtrans_hidden' already"):
        write_package("hidden", "loss", tmp_path, catalog())


def test_a_distribution_that_is_installed_is_named(installed):
    with pytest.raises(ImtransError, match="imtrans-new-loss 0.1.0 is installed already"):
        write_package("new-loss", "metric", installed, catalog())


def test_a_plugin_that_is_no_longer_installed_is_gone(long_named, tmp_path):
    (package,) = long_named.glob("imtrans-loss-*")
    (recipe,) = package.glob("loss_*.toml")
    with unpacked(tmp_path / "site", package):
        assert recipe.stem in catalog().losses
    assert recipe.stem not in catalog().losses
    with pytest.raises(ImtransError, match=f"pip install {package.name}"):
        read(recipe, catalog=catalog())
