"""What a shell completes, and that it is quick and quiet."""

import os
import subprocess
import sys

import pytest

CODE = """
import sys
from imtrans.cli.main import app
try:
    app(prog_name="imtrans")
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""


@pytest.fixture
def completed(tmp_path):
    """Completes the last word of a line as bash asks for it, in an empty folder."""

    def call(line):
        words = line.split(" ")
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        environment = os.environ | asked | {"_IMTRANS_COMPLETE": "complete_bash"}
        found = subprocess.run(
            [sys.executable, "-c", CODE],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stderr == "False\n"  # torch takes seconds
        return found.stdout.split()

    return call


def test_recipes_are_completed_by_name(completed, tmp_path):
    expected = ["facades_photo2label", "facades_photo2label_plus"]
    assert completed("imtrans train facades_ph") == expected
    assert completed("imtrans data check quick") == ["quickstart"]
    assert completed("imtrans bench train edges2h") == ["edges2handbags"]
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "my-own.toml").write_text("not read\n")
    assert completed("imtrans train my") == ["my-own"]


def test_keys_are_completed_those_of_the_recipe_too(completed):
    assert completed("imtrans train facades --set train.ep") == ["train.epochs="]
    assert "loss.l1.weight=" in completed("imtrans train facades --set loss.")
    assert "validate.every=" in completed("imtrans check facades --set validate.")
    assert "data.layout.name=" in completed("imtrans check facades --set data.layout")


def test_runs_are_completed(completed, tmp_path):
    assert completed("imtrans inspect ru") == []
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "recipe.toml").write_text("")
    assert completed("imtrans inspect ru") == ["runs/one"]
    assert completed("imtrans runs compare runs/x runs/o") == ["runs/one"]


def test_what_cannot_be_read_completes_nothing_and_says_nothing(completed, tmp_path):
    (tmp_path / "broken.toml").write_text("[[[")
    assert completed("imtrans train broken.toml --set loss.l1") == []
    assert completed("imtrans train nowhere --set loss.l1") == []
    assert completed("imtrans train ./br") == []


def test_completion_is_installed_by_an_option(imtrans):
    assert "--install-completion" in imtrans("--help")[1]
