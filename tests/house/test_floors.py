"""Imports point down only, and built-in components may import no more than a stranger's may."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "imtrans"

# From the top of the house to the ground. A module may import those below its own floor.
FLOORS = [
    "cli",
    "diagnosis",
    "benchmark",
    "quickstart",
    "training",
    "evaluation",
    "translation",
    "published_weights",
    "inspection",
    "assemble",
    "checkpoint",
    "checksums",
    "data",
    "recipe",
    "plugins",
    "registry",
    "schema",
    "toml",
    "layout_tools",
    "tar_members",
    "photographs",
    "hookspecs",
    "pictures",
    "fetching",
    "locks",
    "files",
    "terminal",
    "devices",
    "machine",
    "layers",
    "words",
    "errors",
]
OPEN = ("hookspecs", "layers", "pictures", "photographs", "layout_tools", "tar_members", "errors")
STRANGERS_MAY = {f"imtrans.{name}" for name in OPEN}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path):
    """Every module of imtrans that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "imtrans":
            yield from (f"imtrans.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("imtrans."):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("imtrans"))


def floor(module):
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if here in ("__init__", "__main__", "components"):
        return
    for module in imports(path):
        there = floor(module)
        if there in FLOORS and there != here:
            assert FLOORS.index(here) < FLOORS.index(there), f"{here} imports {module}"


def test_every_module_has_a_floor():
    names = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in FILES}
    assert names - {"__init__", "__main__", "components"} == set(FLOORS)


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "components").glob("*.py")), ids=lambda p: p.stem
)
def test_built_in_components_have_no_privilege(path):
    assert set(imports(path)) <= STRANGERS_MAY


def test_no_component_is_imported_by_name():
    outside = [path for path in FILES if path.parent.name != "components"]
    assert not [p for p in outside for module in imports(p) if "components" in module]


def test_importing_imtrans_or_its_command_line_imports_no_torch():
    code = "import sys, imtrans, imtrans.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
