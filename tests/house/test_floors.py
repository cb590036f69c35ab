"""Imports point down only; components and plugins import `imtrans.api`, plugins also what
`import imtrans` offers, and nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import imtrans

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "imtrans"
PLUGINS = sorted([*ROOT.glob("plugins/*/*.py"), *ROOT.glob("plugins/*/imtrans_*/*.py")])

# From the top of the house to the ground. What is in a room may import from those below it.
FLOORS = [
    {"cli"},
    {"serving", "testing"},
    {"drafting", "reporting", "scaffold", "sweeping"},
    {"checking"},
    {"benchmark"},
    {"training"},
    {"evaluation"},
    {"translation"},
    {"board"},
    {"runs"},
    {"task"},
    {"data"},
    {"components", "recipe"},
    {"contracts"},
    {"host"},
    {"api"},
]
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
FACADE = {"__init__", "__main__", "functions"}
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


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def is_below(module, here):
    """Whether a file in the room `here` may import the module."""
    there = module.split(".")[1] if "." in module else ""
    if there not in FLOOR_OF or there == here:
        return True  # a name of the facade, or the same room
    return FLOOR_OF[there] > FLOOR_OF[here]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    if room(path) in FACADE:
        return
    assert [module for module in imports(path) if not is_below(module, room(path))] == []


def test_every_room_has_a_floor_and_nothing_else_is_at_the_top():
    assert {room(path) for path in FILES} - FACADE == set(FLOOR_OF)
    assert {path.stem for path in PACKAGE.glob("*.py")} - FACADE == {"task"}


@pytest.mark.parametrize(
    "path",
    [*sorted(PACKAGE.glob("components/*/*.py")), *PLUGINS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_components_and_plugins_import_the_api_alone(path):
    allowed = {module for module in imports(path) if module.startswith("imtrans.api")}
    names = imtrans.__all__ if path in PLUGINS else ("hookimpl", "__version__")
    assert set(imports(path)) - allowed - {f"imtrans.{name}" for name in names} == set()


def test_no_component_and_no_plugin_is_imported_by_name():
    plugins = {path.relative_to(ROOT / "plugins").parts[1].removesuffix(".py") for path in PLUGINS}
    for path in FILES:
        if room(path) != "components":
            assert not [
                module for module in imports(path) if module.startswith("imtrans.components")
            ], path
        text = path.read_text()
        assert not [name for name in plugins if name in text], path


def test_no_method_is_named_outside_its_module():
    for path in FILES:
        if path.parent.name != "methods":
            assert "Pix2Pix" not in path.read_text(), path


def test_importing_imtrans_or_its_command_line_imports_no_torch():
    code = "import sys, imtrans, imtrans.cli.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
