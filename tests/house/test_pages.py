"""Every snippet of README.md and of the pages in docs/ is run, each page from top to bottom; their
links lead somewhere. The guide for authors of plugins has test_guide.py."""

import re
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from desks import BEFORE, STARTS, commands_of, fill, hurried, type_before
from snippets import broken_links, snippets

from imtrans.cli import quickstart_run
from imtrans.recipe.toml import dumps

ROOT = Path(__file__).parents[2]
DOCS = {path.name: path.read_text() for path in sorted(ROOT.glob("docs/*.md"))}
PAGES = {"README.md": (ROOT / "README.md").read_text(), **DOCS}
RUN = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"^<!-- run by: (.+) -->$", re.MULTILINE)
RUNNABLE = [x for x, text in PAGES.items() if RUN.search(text) and not ELSEWHERE.search(text)]
# What must be there when all of a page was typed.
LEFT = {
    "README.md": ["photos-my-task/house.png", "runs/my-task/report.html", "house-translated.png"],
    "tutorial.md": ["town/plans-town/0000.png", "runs/town/report.html", "town.onnx"],
    "translate.md": ["photos-my-task/house.png", "samples/seed-2/house.png"],
    "published-weights.md": ["facades/house.png"],
    "export.md": ["my-task.onnx", "my-task.pt2", "house-by-onnx.png"],
    "python.md": ["house-as-map.png", "runs/short/metrics.jsonl"],
}


@pytest.fixture(scope="session")
def desks(tmp_path_factory):
    """A folder for each start, filled once; to be copied, and left as it is."""

    @cache
    def filled(start):
        folder = tmp_path_factory.mktemp("desk")
        fill(folder, start)
        type_before(folder, start)
        for recipe in folder.glob("*.toml"):  # what a page trains by Python is as narrow
            values = tomllib.loads(recipe.read_text())
            values["generator"]["width"], values["train"]["engine"] = 2, "plain"
            recipe.write_text(dumps(values))
        return folder

    return filled


@pytest.mark.thorough
@pytest.mark.parametrize("name", RUNNABLE)
def test_a_page_works_from_top_to_bottom(name, desks, imtrans, tmp_path, quick_bench, monkeypatch):
    monkeypatch.setattr(quickstart_run, "TRAINING_PAIRS", 4)
    monkeypatch.setattr(quickstart_run, "VALIDATION_PAIRS", 2)
    shutil.copytree(desks(start_of(name)), tmp_path, dirs_exist_ok=True)
    for language, block in RUN.findall(PAGES[name]):
        if language == "python":
            run_python(block, name)
            continue
        for line in commands_of(block):
            words, target = hurried(line)
            code, out, err = imtrans(*words)
            assert code == 0, f"{name}: {line}\n{out}{err}"
            if target:
                (tmp_path / target).write_text(out)
    assert [file for file in LEFT.get(name, []) if not (tmp_path / file).is_file()] == []


def run_python(code, name):
    if "onnxruntime" not in code:
        exec(compile(code, name, "exec"), {})
        return
    # What is said to need neither torch nor imtrans is run without them.
    alone = "import sys; sys.modules |= dict.fromkeys(['torch', 'imtrans'])\n"
    subprocess.run([sys.executable, "-c", alone + code], check=True)


def start_of(name):
    """README.md starts as a reader does who has pairs; a page says it in a comment."""
    said = STARTS.findall(PAGES[name])
    return said[0] if said else "pairs"


def test_a_page_says_what_it_starts_from_and_nothing_else():
    for name, text in DOCS.items():
        said = STARTS.findall(text)
        assert len(said) <= 1, name
        assert set(said) <= set(BEFORE), name


def test_a_page_that_is_run_elsewhere_is_named_there():
    for name, text in DOCS.items():
        for file in ELSEWHERE.findall(text):
            assert name.removesuffix(".md") in (ROOT / file).read_text(), name


def test_every_toml_of_a_page_can_be_read():
    for text in PAGES.values():
        for block in snippets(text, "toml"):
            tomllib.loads(block)


def markdown_files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.split()
    return [ROOT / name for name in listed] or list(ROOT.glob("docs/*.md"))


def test_links_of_every_page_of_the_repository_lead_somewhere():
    wrong = {page.name: broken_links(page) for page in markdown_files()}
    assert {name: links for name, links in wrong.items() if links} == {}


def test_no_page_waits_for_a_figure():
    assert [page for page, text in PAGES.items() if "@@" in text] == []


def test_the_readme_is_one_page_with_its_pictures_first():
    text = PAGES["README.md"]
    assert len(text.splitlines()) <= 180
    assert text.index("![") < text.index("## ")


def test_every_make_target_of_the_pages_exists():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    said = re.findall(r"(?:^|`)make ([a-z-]+)", "\n".join(PAGES.values()), re.MULTILINE)
    assert {"demo", "test"} <= {*said} <= {*targets}
