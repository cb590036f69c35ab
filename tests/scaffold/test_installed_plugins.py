"""A package of every role, as its author goes on with it: installed by pip, tested, built, gone."""

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from imtrans.recipe.catalog import catalog
from imtrans.scaffold import demo
from imtrans.scaffold.package import write_package
from imtrans.scaffold.roles import ROLES

pytestmark = pytest.mark.thorough


@pytest.fixture
def python(tmp_path):
    """Runs a module in an environment of its own, which has what this one has; so that what is
    installed there is not seen by tests that run meanwhile."""
    place = tmp_path / "environment"
    venv.create(place, with_pip=False)
    program = place / "bin" / "python"
    folder = Path(subprocess.check_output([program, "-c", _PURELIB], text=True).strip())
    here = sysconfig.get_path("purelib")
    (folder / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n")

    def run(*arguments, cwd=tmp_path):
        command = [program, *map(str, arguments)]
        ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    return run


_PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"
# The tests and `imtrans plugins check` in one process: to import torch takes seconds.
TRY = """
import sys
import pytest
code = pytest.main(["-q", "-rs", "-p", "no:cacheprovider", *sys.argv[1:]])
from imtrans.cli.main import main
sys.argv = ["imtrans", "plugins", "check", "imtrans-own-loss"]
code or main()
sys.exit(code)
"""
POINTS = "from importlib.metadata import entry_points; print(entry_points())"


# pip builds each, which takes longest: of the others in CI what is in them is tested, by
# test_new_plugins.py.
@pytest.mark.parametrize(
    "roles",
    [
        pytest.param(["loss", "method", "command"], id="some roles"),
        pytest.param([*ROLES], id="every role", marks=pytest.mark.soak),
    ],
)
def test_packages_are_installed_pass_and_are_removed(python, tmp_path, monkeypatch, roles):
    monkeypatch.setattr(demo, "SPLITS", {"train": 4, "val": 4})
    names = [f"imtrans-own-{role}" for role in roles]
    for role in roles:
        write_package(f"own-{role}", role, tmp_path, catalog())
    editable = [word for name in names for word in ("-e", tmp_path / name)]
    quiet = ("--quiet", "--disable-pip-version-check")
    python("-m", "pip", "install", *quiet, "--no-deps", "--no-build-isolation", *editable)

    folders = [tmp_path / name for name in names]
    said = python("-c", TRY, *folders)
    assert re.search(r"\d{2,} passed in", said), said  # and none is skipped
    # The others are checked in this process, by test_new_plugins.py.
    assert "ok      recipe own_loss.toml" in said
    assert "kept, no faults" in said

    assert "imtrans_own_loss" in python("-c", POINTS)
    python("-m", "pip", "uninstall", *quiet, "--yes", *names)
    assert "imtrans_own" not in python("-c", POINTS)


def test_a_wheel_has_the_module_alone(tmp_path):
    package = write_package("built", "loss", tmp_path, catalog())
    (package / "runs").mkdir()
    (package / "runs" / "large.bin").touch()
    build = [sys.executable, "-m", "hatchling", "build", "-d", tmp_path / "dist"]
    subprocess.run(build, cwd=package, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name == "imtrans_built-0.1.0-py3-none-any.whl"
    inside = zipfile.ZipFile(wheel).namelist()
    assert [name for name in inside if ".dist-info/" not in name] == ["imtrans_built.py"]
    (source,) = (tmp_path / "dist").glob("*.tar.gz")
    assert source.stat().st_size < 20_000  # no pictures, no runs
