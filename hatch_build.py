"""What a distribution is made of, where pyproject.toml alone cannot say it.

The README links to files of the repository, and PyPI has none of them. Where IMTRANS_REPOSITORY is
its address, as the release workflow sets it, links lead to the files of this version; without it
the words of a link are left and pictures are left out: no link is better than one to nowhere.
"""

import os
import re
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

# Code, as it is; or a link to a file or a heading, whose words may have code in them.
PARTS = re.compile(
    r"^```.*?^```|`[^`\n]*`"
    r"|(?P<picture>!?)\[(?P<words>(?:`[^`\n]*`|[^]`])*)\]\((?!https?://|mailto:)(?P<to>[^)\s]+)\)",
    re.MULTILINE | re.DOTALL,
)


class Readme(MetadataHookInterface):
    """The README as PyPI can show it, and the addresses of the project."""

    def update(self, metadata):
        address = os.environ.get("IMTRANS_REPOSITORY", "").rstrip("/")
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        version = re.search(
            r'^__version__ = "(.+)"', Path(self.root, "imtrans/__init__.py").read_text(), re.M
        )
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": with_links(text, address, f"v{version[1]}"),
        }
        metadata["urls"] = {}
        if address:
            metadata["urls"] = {
                "Repository": address,
                "Issues": f"{address}/issues",
                "Changelog": f"{address}/blob/main/CHANGELOG.md",
            }


class Recipes(BuildHookInterface):
    """The recipes in the wheel, without the pictures of their pages."""

    def initialize(self, version, build_data):
        if self.target_name == "wheel" and version == "standard":
            root = Path(self.root)
            for path in sorted(root.glob("recipes/**/*.toml")):
                name = path.relative_to(root).as_posix()
                build_data["force_include"][str(path)] = f"imtrans/{name}"


def with_links(text: str, address: str, tag: str) -> str:
    """A page whose links to files lead to the repository, or are no links."""

    def lead(part: re.Match) -> str:
        picture, words, target = part.group("picture", "words", "to")
        if target is None:
            return part[0]
        if not address:
            return "" if picture else words
        target = f"README.md{target}" if target.startswith("#") else target
        return f"{picture}[{words}]({address}/{'raw' if picture else 'blob'}/{tag}/{target})"

    return PARTS.sub(lead, text)
