"""One name per thing: no two public classes of the package have the same name."""

import ast
from collections import defaultdict
from pathlib import Path

import imtrans

PACKAGE = Path(imtrans.__file__).parent


def public_classes() -> dict[str, set[str]]:
    """Name -> the modules that define a class of that name."""
    modules = defaultdict(set)
    for path in PACKAGE.rglob("*.py"):
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].add(module)
    return modules


def test_no_two_public_classes_have_one_name():
    shared = {name: where for name, where in public_classes().items() if len(where) > 1}
    assert shared == {}
