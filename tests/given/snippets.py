"""The snippets of the pages that people read, as tests run them."""

import re
from pathlib import Path
from types import ModuleType

from imtrans.recipe.catalog import GROUP


def snippets(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def module_of(code: str, name: str = "snippet") -> ModuleType:
    """A module of this code."""
    module = ModuleType(name)
    exec(compile(code, f"{name}.py", "exec"), vars(module))
    return module


def broken_links(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    links = re.findall(r"\]\(([^)#]+)[)#]", page.read_text())
    return [x for x in links if not x.startswith("http") and not (page.parent / x).exists()]


class SnippetPoint:
    """An entry point to a module that is already made."""

    group, dist = GROUP, None

    def __init__(self, module: ModuleType, name: str = "snippet") -> None:
        self.name = self.value = name
        self.load = lambda: module
