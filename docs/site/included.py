"""Pages and pictures that the site takes from where they are in the repository, without a copy."""

import posixpath
import re
from collections.abc import Collection, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATTERNS = (
    "CHANGELOG.md",
    "plugins/README.md",
    "plugins/guide/*.md",
    "plugins/*/README.md",
    "recipes/README.md",
    "recipes/*.png",
    "recipes/*.jpg",
    "recipes/sweeps/README.md",
)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
CODE = re.compile(r"(^```.*?^```$|`[^`\n]+`(?!\]))", re.MULTILINE | re.DOTALL)


def included_files() -> Iterator[str]:
    """Paths below the root, the same on the site."""
    for pattern in PATTERNS:
        for path in sorted(ROOT.glob(pattern)):
            yield path.relative_to(ROOT).as_posix()


class Links:
    """The links of one page: written for the repository, rewritten for the site."""

    def __init__(self, page: str, on_site: Collection[str]) -> None:
        self.page, self.on_site = page, on_site
        # Where the page is in the repository.
        self.source = page if page in set(included_files()) else f"docs/{page}"

    def rewritten(self, text: str) -> str:
        """What is in a block of code stays as it is."""
        parts = CODE.split(text)
        parts[::2] = [LINK.sub(self._rewritten, part) for part in parts[::2]]
        return "".join(parts)

    def _rewritten(self, link: re.Match[str]) -> str:
        mark, words, target = link.groups()
        path, hash_, anchor = target.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return link[0]
        place = self._on_site(path)
        if place is None:
            # A file of the repository that is no page: its path is said by the words.
            return words
        relative = posixpath.relpath(place, posixpath.dirname(self.page) or ".")
        return f"{mark}[{words}]({relative}{hash_}{anchor})"

    def _on_site(self, path: str) -> str | None:
        """None: it is in the repository alone. What is nowhere stays, for mkdocs to complain of."""
        there = posixpath.normpath(posixpath.join(posixpath.dirname(self.source), path))
        for place in (there, f"{there}/README.md", there.removeprefix("docs/")):
            if place in self.on_site:
                return place
        return None if (ROOT / there).exists() else there
