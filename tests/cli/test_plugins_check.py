"""`imtrans plugins check`, and what a training says of the same plugin before its first step."""

import subprocess
import sys
import tomllib

import pytest
from installed_plugin import Site
from strange_plugins import FAULTS, code_of

from imtrans.recipe.toml import dumps

NAMED = "plugin imtrans_strange (imtrans-strange 1.0)"
ODD = "class Odd: ...\n" + code_of("generator").replace("gain: float = 1.0", "odd: Odd = None")
LIE = FAULTS["generator, larger multiples"]
PLUGINS = {
    "import": (
        "import a_library_that_is_not_there",
        [f"{NAMED} cannot be used: ModuleNotFoundError: No module named 'a_library_"],
    ),
    "taken": (
        code_of("generator").replace('"strange"', '"unet_128"'),
        ["the generator name 'unet_128' is taken", "unet (imtrans ", "uninstall one of them"],
    ),
    "option": (
        ODD,
        [f"{NAMED}: generator 'strange': its option 'odd' is of type Odd", "use bool, int, float"],
    ),
    "stride": (code_of("generator", LIE), ["generator 'strange'", LIE.said]),
}


@pytest.fixture
def site(tmp_path, monkeypatch):
    made = Site(tmp_path / "site")
    monkeypatch.syspath_prepend(made.folder)
    yield made
    made.forget()


@pytest.fixture
def recipe(tiny_file):
    values = tomllib.loads(tiny_file.read_text())
    values["generator"] = {"name": "strange"}
    tiny_file.write_text(dumps(values))
    return tiny_file


@pytest.mark.parametrize("name", PLUGINS)
def test_a_plugin_that_cannot_be_used_is_named_before_step_1(site, imtrans, recipe, name, tmp_path):
    code, said = PLUGINS[name]
    site.install("imtrans-strange", code)
    for command in (["train", recipe, "--run-dir", "run"], ["check", recipe]):
        exit_code, out, err = imtrans(*command)
        assert exit_code == 2
        assert any(all(part in line for part in said) for line in (out + err).splitlines())
        assert "Traceback" not in err
    assert not (tmp_path / "run" / "log.jsonl").exists()
    exit_code, out, err = imtrans("plugins", "check", "imtrans-strange")
    assert exit_code == 2
    printed = (out + err).replace("\n        to do:     ", " to do: ")
    assert all(part in printed for part in said[1:])


def test_a_recipe_that_requires_it_says_why_it_cannot_be_used(site, imtrans, recipe):
    site.install("imtrans-strange", PLUGINS["import"][0])
    recipe.write_text('requires = ["imtrans-strange"]\n' + recipe.read_text())
    code, _, err = imtrans("train", recipe, "--run-dir", "run")
    assert code == 2
    assert f"requires.0: {NAMED} cannot be used: ModuleNotFoundError" in err
    assert "pip install imtrans-strange" not in err


def test_a_sound_plugin_has_a_line_for_each_component(site, imtrans, tmp_path):
    site.install("imtrans-strange", code_of("loss"))
    code, out, _ = imtrans("plugins", "check", "imtrans-strange")
    assert (code, out) == (
        0,
        "ok      loss 'strange': 7 promises kept\n7 promises kept, no faults\n",
    )


def test_a_broken_promise_says_what_was_found_and_what_to_do(site, imtrans):
    site.install("imtrans-strange", code_of("loss").replace("# at last", "value = -value"))
    code, out, _ = imtrans("plugins", "check", "Imtrans_Strange")
    assert code == 2
    (at,) = [n for n, line in enumerate(out.splitlines()) if "smallest where equal" in line]
    told = out.splitlines()[at : at + 4]
    assert told[0] == "broken  loss 'strange': smallest where equal"
    assert told[1].startswith("        found:     where output and target are equal it is -0, and ")
    assert told[2] == "        contract:  a loss is smallest where both are equal"
    assert told[3].startswith("        to do:     turn its sign")
    assert out.splitlines()[-1] == "6 promises kept, 1 fault"


def test_a_component_that_raises_is_named_with_the_line(site, imtrans):
    site.install("imtrans-strange", code_of("loss").replace("# at last", "value = value[3]"))
    code, out, _ = imtrans("plugins", "check", "imtrans-strange")
    assert code == 2
    assert "found:     it raised IndexError" in out
    assert "imtrans_strange.py:" in out
    assert "        3 promises could not be tested: see above\n" in out
    assert out.count("IndexError") == 1


def with_options(options):
    """A loss with these options, and without a docstring."""
    return code_of("loss").replace('"""A loss."""', f"def __init__(self, *, {options}): ...")


def test_what_nobody_could_use_is_a_fault(site, imtrans):
    code = (
        code_of("loss")
        .replace('    """A loss."""\n', "")
        .replace(
            "class Strange:",
            "class Strange:\n    def __init__(self, *, gain=1.0, power: int = 1.5): ...",
        )
    )
    site.install("imtrans-strange", code)
    exit_code, out, _ = imtrans("plugins", "check", "imtrans-strange")
    assert exit_code == 2
    assert "found:     it has no docstring" in out
    assert "its option 'gain' has no annotation: any value would be taken" in out
    assert "annotate it, as in `gain: float`" in out
    site.install("imtrans-strange", code.replace("gain=1.0, ", ""))
    _, out, _ = imtrans("plugins", "check", "imtrans-strange")
    assert "its option 'power' is int, and its default 1.5 is refused: 1.5 is not a whole" in out


def test_an_option_without_a_default_can_be_given(site, imtrans):
    code = with_options("gain: float") + '\n\nStrange.__doc__ = "A loss."\n'
    site.install("imtrans-strange", code)
    exit_code, out, _ = imtrans("plugins", "check", "imtrans-strange")
    assert exit_code == 2
    assert "its option 'gain' has no default, and none is given for the tests" in out
    given = imtrans("plugins", "check", "imtrans-strange", "--set", "strange.gain=2.0")
    assert given[0] == 0
    assert imtrans("plugins", "check", "imtrans-strange", "--set", "gain=2")[2] == (
        "error: --set gain=2: write it as NAME.OPTION=VALUE\n"
    )


def test_a_package_that_is_not_installed_or_brings_nothing(site, imtrans, tmp_path):
    code, out, _ = imtrans("plugins", "check", "imtrans-strange")
    assert code == 2
    assert "'imtrans-strange' is not installed in this Python: pip install -e FOLDER" in out
    site.install("imtrans-strange", "", group="console_scripts")
    code, out, _ = imtrans("plugins", "check", "imtrans-strange")
    assert code == 2
    assert "it needs an entry point in its pyproject.toml" in out
    assert imtrans("plugins", "check", tmp_path)[2].endswith(
        "name a plugin's folder, or a distribution that is installed\n"
    )


def test_the_recipes_in_its_folder_are_read(site, imtrans, tmp_path, recipe):
    site.install("imtrans-strange", code_of("generator"))
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[project]\nname = "imtrans-strange"\n')
    (folder / "good.toml").write_text(recipe.read_text())
    (folder / "bad.toml").write_text(recipe.read_text().replace("strange", "strangest"))
    (folder / "other.toml").write_text("a = 1")
    run = folder / "runs" / "older"  # trained before the plugin changed
    (run / "checkpoints").mkdir(parents=True)
    (run / "recipe.toml").write_text((folder / "bad.toml").read_text())
    code, out, _ = imtrans("plugins", "check", folder)
    assert code == 2
    assert "ok      recipe good.toml: 1 promise kept" in out
    assert "broken  recipe bad.toml: can be read" in out
    assert "did you mean 'strange'?" in out
    assert "other.toml" not in out
    assert "recipe.toml" not in out


COMMAND = "import typer\napp = typer.Typer()\n\n\n@app.command()\ndef shout() -> None: ...\n"


@pytest.mark.thorough
def test_a_command_that_imports_torch_is_a_fault(site, imtrans):
    for code, said in (
        (COMMAND, "1 promise kept, no faults"),
        ("import torch\n" + COMMAND, "`imtrans strange --help` imports torch"),
        ("app = 3", "is not a Typer app but int"),
        ("raise RuntimeError('no licence')", "failed: RuntimeError: no licence"),
    ):
        site.install("imtrans-strange", code, "imtrans.commands", "imtrans_strange:app")
        assert said in imtrans("plugins", "check", "imtrans-strange")[1]


def test_the_pytest_plugin_tests_a_distribution_and_teaches(site, tmp_path, monkeypatch, capsys):
    site.install("imtrans-strange", code_of("loss").replace("# at last", "value = -value"))
    (tmp_path / "test_strange.py").write_text(
        "import pytest\n\n\n"
        '@pytest.mark.imtrans_plugin("imtrans-strange")\n'
        "def test_contract(contract):\n    contract()\n\n\n"
        '@pytest.mark.imtrans_plugin("imtrans-not-there")\n'
        "def test_absent(contract):\n    contract()\n"
    )
    monkeypatch.chdir(tmp_path)
    ended = pytest.main(["-v", *"-p no:cacheprovider -p no:xdist --strict-markers .".split()])
    said = capsys.readouterr().out
    assert ended == 1, said
    assert "test_contract[loss strange: smallest where equal] FAILED" in said
    assert "test_contract[loss strange: is documented] PASSED" in said
    assert "  contract:  a loss is smallest where both are equal\n" in said
    assert "Traceback" not in said
    assert "'imtrans-not-there' is not installed here: run `pip install -e .`" in said
    assert "1 failed, 6 passed, 1 error" in said


def test_the_pytest_plugin_imports_no_torch_when_pytest_starts():
    code = "import sys, imtrans.testing.pytest_plugin; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
