"""Commands that other distributions bring: listed without being imported, run when called."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from imtrans.cli import third_party

APP = """
import typer
import torch

app = typer.Typer()


@app.command()
def shout(word: str, times: int = 1) -> None:
    \"\"\"Say it loud.\"\"\"
    print(word.upper() * times)


@app.command()
def whisper(word: str) -> None:
    print(word.lower())
"""


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Make modules importable, and name them as commands."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def call(**commands):
        points = {}
        for name, (module, code) in commands.items():
            (tmp_path / f"{module}.py").write_text(code)
            points[name] = EntryPoint(name, f"{module}:app", third_party.GROUP)
        monkeypatch.setattr(third_party, "_installed", lambda: points)

    return call


def test_a_command_of_a_third_party_runs_with_its_options(imtrans, install):
    install(ray=("imtrans_ray_one", APP))
    assert imtrans("ray", "shout", "hey", "--times", "2")[:2] == (0, "HEYHEY\n")
    assert "Say it loud" in imtrans("ray", "shout", "--help")[1]


def test_help_lists_it_without_importing_it(imtrans, install):
    install(ray=("imtrans_ray_two", APP))
    code, out, _ = imtrans("--help")
    assert code == 0
    assert "A command of imtrans_ray_two:app" in " ".join(out.split())
    assert "imtrans_ray_two" not in sys.modules


def test_a_command_that_cannot_be_imported_is_one_line(imtrans, install):
    install(ray=("imtrans_ray_three", "import a_library_that_is_not_there"))
    code, _, err = imtrans("ray", "shout", "hey")
    assert code == 2
    assert err == (
        "error: the command 'ray' (imtrans_ray_three:app) cannot be imported: "
        "ModuleNotFoundError: No module named 'a_library_that_is_not_there'\n"
    )


def test_what_is_no_typer_app_is_one_line(imtrans, install):
    install(ray=("imtrans_ray_four", "app = 7"))
    code, _, err = imtrans("ray")
    assert (code, err) == (
        2,
        "error: the command 'ray' (imtrans_ray_four:app) is not a Typer app but int\n",
    )


def test_ours_keep_their_names(imtrans, install):
    install(train=("imtrans_ray_five", APP))
    assert "Train a recipe" in imtrans("train", "--help")[1]


def test_help_imports_no_torch_and_no_component():
    code = (
        "import sys; sys.argv = ['imtrans', '--help']\n"
        "from imtrans.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'imtrans.components')))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == 0
