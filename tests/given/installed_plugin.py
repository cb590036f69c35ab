"""Distributions of plugins that are installed for a test: written down, without pip."""

import importlib
import sys
from textwrap import dedent

from imtrans.recipe.catalog import catalog


class Site:
    """A folder on Python's path."""

    def __init__(self, folder):
        self.folder, self.modules = folder, []
        folder.mkdir()

    def install(self, name, code, group="imtrans", value=None):
        """A distribution `name` 1.0 of one module, with one entry point."""
        module = name.replace("-", "_")
        (self.folder / f"{module}.py").write_text(dedent(code))
        facts = self.folder / f"{module}-1.0.dist-info"
        facts.mkdir(exist_ok=True)
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        point = f"[{group}]\n{name.removeprefix('imtrans-')} = {value or module}\n"
        (facts / "entry_points.txt").write_text(point)
        self.modules.append(module)
        self.forget()

    def forget(self):
        for module in self.modules:
            sys.modules.pop(module, None)
        importlib.invalidate_caches()
        catalog.cache_clear()
