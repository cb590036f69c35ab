"""What mkdocs asks of us while it builds the site: files from elsewhere, and pages that are made.

A page keeps its path in the repository, and its links: `included` finds where they lead on the
site. A line `<!-- made: NAME -->` in a page is replaced by what `made` writes.
"""

import re
from pathlib import Path

from included import ROOT, Links, included_files
from made import MAKERS
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

MADE = re.compile(r"^<!-- made: ([\w ./-]+?) -->$", re.MULTILINE)


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    for path in included_files():
        files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(text: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    text = MADE.sub(_made, text)
    return Links(page.file.src_uri, files.src_uris).rewritten(text)


def _made(mark: re.Match[str]) -> str:
    name, *words = mark[1].split()
    return MAKERS[name](*words)


def on_post_build(*, config: MkDocsConfig) -> None:
    """The search's index as a script too, which pages that are opened from a folder can read."""
    folder = Path(config.site_dir, "search")
    index = (folder / "search_index.json").read_text(encoding="utf-8")
    (folder / "search_index.js").write_text(f"var __index = {index}", encoding="utf-8")
