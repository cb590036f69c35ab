"""What README.md, recipes/README.md and docs/recipe.md say of recipes, sweeps and plugins is so.

Their commands and links are for test_pages.py.
"""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from snippets import SnippetPoint, module_of, snippets

from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog, collect
from imtrans.recipe.toml import dumps
from imtrans.sweeping.file import read_sweep
from imtrans.sweeping.variants import resolved

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
RECIPES = (ROOT / "recipes" / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "recipe.md").read_text()
COMPARE = (ROOT / "docs" / "compare.md").read_text()
MADE = re.compile(r"^<!-- made: (\w+)(?: (.+))? -->$", re.MULTILINE)


@pytest.fixture(scope="module")
def site():
    """What writes the parts of pages that are generated."""
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    try:
        import components
        import keys

        yield keys, components
    finally:
        sys.path.pop(0)


def is_sweep(text):
    return "variants" in tomllib.loads(text)


def test_the_first_recipe_of_the_reference_is_whole():
    recipes.parse(snippets(REFERENCE, "toml")[0], "docs/recipe.md", (), catalog())


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
        recipes.parse(dumps(values | snippet), "docs/recipe.md", (), catalog())


@pytest.mark.parametrize("page", [COMPARE, REFERENCE], ids=["compare", "recipe"])
def test_the_sweep_of_a_page_can_be_read(page, tmp_path):
    (text,) = filter(is_sweep, snippets(page, "toml"))
    (tmp_path / "sweep.toml").write_text(text)
    file = read_sweep(tmp_path / "sweep.toml")
    assert len(resolved(file, catalog())) == len(file.variants)
    assert not file.problems


def test_the_reference_has_every_table_and_every_role(site):
    keys, _ = site
    made = MADE.findall(REFERENCE)
    assert {name for kind, name in made if kind == "keys"} == {*keys.TABLES}
    assert {name for kind, name in made if kind == "components"} == {*catalog().registries}


def test_every_key_says_what_it_is_and_has_a_row(site):
    keys, _ = site
    for name, table in keys.TABLES.items():
        rows = keys.keys(name).splitlines()[2:]
        assert len(rows) == len(table.model_fields), name
        for row in rows:
            _, key, allowed, _, meaning, _ = re.split(r"(?<!\\)\|", row)
            assert allowed.strip(), key
            assert meaning.strip().endswith("."), key
            assert "typing" not in row, row
            assert "Annotated" not in row, row


def test_every_component_has_a_section_with_its_options(site):
    _, components = site
    for role, registry in catalog().registries.items():
        text = components.components(*role.split())
        for one in registry:
            assert f"#### {one.name} " in text
            assert all(f"| `{option}` |" in text for option in one.options), one.name


def test_the_table_of_recipes_names_every_recipe_with_its_epochs():
    said = {
        name: int(row.split("|")[4])
        for row in RECIPES.splitlines()
        if row.startswith("| `")
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    assert said == {name: recipes.read(name).train.epochs for name in recipes.packaged()}


def test_a_python_snippet_that_registers_something_is_a_working_plugin():
    (code,) = (code for code in snippets(README, "python") if "hookimpl" in code)
    found = collect([SnippetPoint(module_of(code))])
    assert not found.broken
    assert sum(len(registry.names()) for registry in found.registries.values())
