"""Every snippet of the guide for authors of plugins is run: plugins/README.md, plugins/guide/."""

import re
import shlex
import sys
import tomllib
from contextlib import ExitStack
from pathlib import Path

import pytest
import typer
from snippets import SnippetPoint, broken_links, module_of, snippets
from third_party import with_plugin
from unpacked import unpacked

from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog, collect
from imtrans.recipe.components import METHOD_TABLES
from imtrans.recipe.toml import dumps
from imtrans.scaffold import demo
from imtrans.scaffold.roles import ROLES
from imtrans.testing.package import check_component
from imtrans.testing.promises import brought_by

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "plugins" / "guide"
START = ROOT / "plugins" / "README.md"
PAGES = {path.stem: path.read_text() for path in sorted(GUIDE.glob("*.md"))}
EXAMPLES = [name for name in PAGES if "@hookimpl\ndef" in PAGES[name]]
# Of a shell, what these tests leave to others: test_installed_plugins.py does it all.
ELSEWHERE = ("pytest", "pip install build twine", "python -m build", "twine upload dist/*")


def example(page):
    """The plugin of a page: the name of its module, and its code."""
    (code,) = (c for c in snippets(PAGES[page], "python") if not _is_test(c))
    named = re.search(r"`(imtrans_\w+)\.py`", PAGES[page])
    return (named[1] if named else "imtrans_snippet"), code


def _is_test(code):
    return "def test_" in code


@pytest.fixture
def plugin(request):
    """The module of a page's example, which can be imported, and which the catalog has."""
    name, code = example(request.param)
    sys.modules[name] = module_of(code, name)
    with with_plugin(name) if "hookimpl" in code else ExitStack():
        yield sys.modules[name]
    del sys.modules[name]


def test_every_role_has_a_page_and_the_start_leads_to_all_of_them():
    assert {*ROLES} == {*PAGES} - {"publishing", "faults"}
    text = START.read_text()
    assert [page for page in PAGES if f"(guide/{page}.md)" not in text] == []


def test_every_page_of_a_role_has_its_parts():
    for role in ROLES:
        text = PAGES[role]
        for title in ("## The contract", "## An example", "## Test it", "## Traps"):
            assert title in text, (role, title)
        assert f"--role\n{role}`" in text.replace("--role " + role, "--role\n" + role), role
        assert len(text.splitlines()) <= 200, role


@pytest.mark.parametrize("page", EXAMPLES)
def test_the_example_of_a_page_is_a_working_plugin(page):
    found = collect([SnippetPoint(module_of(example(page)[1]))])
    assert not found.broken
    made = [component for registry in found.registries.values() for component in registry]
    assert made
    assert [c.name for c in made if "not documented" in c.documentation] == []


@pytest.mark.parametrize("plugin", EXAMPLES, indirect=True)
def test_the_example_of_a_page_keeps_the_contract_of_its_role(plugin):
    for component in brought_by(catalog(), ["unknown"]):
        checked = check_component(component, catalog(), {})
        assert [f"{promise}: {fault}" for promise, fault in checked.broken] == []
        assert checked.kept


@pytest.mark.parametrize("plugin", [*ROLES], indirect=True)
def test_the_tests_of_a_page_pass(plugin):
    page = next(page for page in ROLES if example(page)[0] == plugin.__name__)
    (code,) = filter(_is_test, snippets(PAGES[page], "python"))
    tests = [value for name, value in vars(module_of(code)).items() if name.startswith("test_")]
    for test in tests:
        test()


@pytest.mark.parametrize("plugin", EXAMPLES, indirect=True)
def test_what_a_page_says_of_recipes_fits_into_one(plugin):
    page = next(page for page in EXAMPLES if example(page)[0] == plugin.__name__)
    for text in snippets(PAGES[page], "toml"):
        values = tomllib.loads(recipes.packaged()["maps"].read_text())
        snippet = tomllib.loads(text)
        del snippet["requires"]  # what is not a distribution
        if page == "publishing":
            continue
        if "derive" in snippet.get("data", {}):
            del values["data"]["direction"]
        values["data"] |= snippet.pop("data", {})
        values |= snippet
        if "method" in snippet:
            needs = catalog().methods[snippet["method"]["name"]].made.needs
            values = {k: v for k, v in values.items() if k not in METHOD_TABLES or k in needs}
        recipes.parse(dumps(values), page, (), catalog())


@pytest.mark.parametrize("plugin", ["command"], indirect=True)
def test_the_entry_point_of_the_page_on_commands_is_a_typer_app(plugin):
    (text,) = snippets(PAGES["command"], "toml")
    ((_, value),) = tomllib.loads(text)["project"]["entry-points"]["imtrans.commands"].items()
    module, app = value.split(":")
    assert module == plugin.__name__
    assert isinstance(getattr(plugin, app), typer.Typer)


@pytest.fixture
def shell(imtrans, tmp_path, monkeypatch):
    """Runs lines of a shell in this process; `pip install -e` until the test ends."""
    with ExitStack() as stack:

        def run(line):
            match shlex.split(line):
                case ["imtrans", "train", *words]:
                    # `imtrans check` tries the other engines.
                    short = ("train.epochs=1", "train.decay_from=1", "train.engine=plain")
                    words += [word for each in short for word in ("--set", each)]
                    code, out, err = imtrans("train", *words)
                case ["imtrans", *words]:
                    code, out, err = imtrans(*words)
                case ["cd", folder]:
                    return monkeypatch.chdir(folder)
                case ["pip", "install", "-e", ".[test]"]:
                    return stack.enter_context(unpacked(tmp_path / "site", Path.cwd()))
                case _:
                    assert line in ELSEWHERE, line
                    return None
            assert code == 0, f"{line}\n{out}{err}"
            return out

        yield run


def test_the_start_works_from_top_to_bottom(shell, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "SPLITS", {"train": 4, "val": 4})
    for block in snippets(START.read_text(), "bash"):
        for line in block.strip().splitlines():
            shell(line)
            if line.startswith("cd "):
                # The fixture `imtrans` has gone back to its folder otherwise.
                assert Path.cwd().name == "imtrans-gradient"
    text = START.read_text()
    written = (tmp_path / "imtrans-gradient" / "tests" / "test_gradient.py").read_text()
    (contract,) = snippets(text, "python")
    assert contract.removeprefix("import pytest\n\n\n") in written
    files = re.findall(r"^\| `(.+?)`(?:, `(.+?)`)? \|", text[: text.index("## The roles")], re.M)
    there = [name.rstrip("/") for row in files for name in row if name]
    assert [name for name in there if not (tmp_path / "imtrans-gradient" / name).exists()] == []
    assert len(there) == 6


def test_the_loss_of_the_guide_takes_the_place_of_the_one_that_was_written(shell, tmp_path):
    """What the start says to do next."""
    shell("imtrans plugins new gradient --role loss")
    package = tmp_path / "imtrans-gradient"
    (package / "imtrans_gradient.py").write_text(example("loss")[1])
    recipe = package / "gradient.toml"
    own = recipe.read_text()
    shell("cd imtrans-gradient")
    shell('pip install -e ".[test]"')
    with pytest.raises(AssertionError, match="no key 'levels'"):
        shell(f"imtrans plugins check {package}")
    recipe.write_text(re.sub(r"levels = .*", "alpha  = 1.5", own))
    said = shell(f"imtrans plugins check {package}")
    assert "ok      loss 'gradient_squared': " in said
    assert "ok      recipe gradient.toml" in said


def test_the_other_commands_of_the_guide_are_run_elsewhere():
    for page, text in PAGES.items():
        for block in snippets(text, "bash"):
            for line in block.strip().splitlines():
                known = (*ELSEWHERE, "imtrans plugins check imtrans-gradient")
                assert line in known, (page, line)


def test_links_of_the_guide_lead_somewhere():
    assert [x for page in (START, *GUIDE.glob("*.md")) for x in broken_links(page)] == []
