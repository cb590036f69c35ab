"""The site is built without a warning, every page can be read on a phone, and no page asks for
anything outside."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import CHROMIUM, WHY, Browser

ROOT = Path(__file__).parents[2]
# What a browser loads without a click.
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
POINTERS = {"canonical", "next", "prev", "alternate"}  # of links, that load nothing


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


class Loads(HTMLParser):
    """The addresses that a page loads."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        if tag in LOADED and not POINTERS & {*(facts.get("rel") or "").split()}:
            self.found.append(facts.get(LOADED[tag]) or "")


@pytest.mark.thorough
def test_nothing_is_loaded_from_outside(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > 40
    for page in pages:
        loads = Loads()
        loads.feed(page.read_text())
        assert [x for x in loads.found if re.match(r"(https?:)?//", x)] == [], page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", style.read_text()), style


@pytest.mark.thorough
def test_what_is_generated_is_on_the_pages(site):
    recipe, commands = ((site / name).read_text() for name in ("recipe.html", "commands.html"))
    assert 'id="method-pix2pix"' in recipe
    assert "<!-- made" not in recipe + commands
    assert 'id="imtrans-data-check"' in commands


@pytest.mark.thorough
@pytest.mark.skipif(not CHROMIUM, reason=WHY)
def test_pages_fit_a_phone_and_complain_of_nothing(site, tmp_path):
    browser = Browser(tmp_path)
    try:
        for name in ("index", "tutorial", "recipe", "commands", "clusters", "plugin-api"):
            page = browser.open(site / f"{name}.html", width=390, scheme="dark")
            assert page.overflow() == 0, name
            assert [x for x in page.problems if "file:" not in x] == [], name
            assert [x for x in page.requests if not x.startswith("file:")] == [], name
            page.close()
    finally:
        browser.close()
