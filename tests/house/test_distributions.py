"""What is published: sdist and wheel, their README, the citation, the workflows."""

import os
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
import yaml

import imtrans

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PLUGINS = sorted(ROOT.glob("plugins/imtrans-*"))
LARGEST = 4_000_000  # bytes; a tenth of it is code
WITH_LINKS = runpy.run_path(str(ROOT / "hatch_build.py"))["with_links"]


def build(kind, source, target, **environment):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", target],
        cwd=source,
        env=os.environ | environment,
        check=True,
        capture_output=True,
    )
    (made,) = [path for path in target.iterdir() if path.is_file()]
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The sdist, and the wheel that is built of it."""
    folder = tmp_path_factory.mktemp("built")
    sdist = build("sdist", ROOT, folder / "sdist")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (source,) = folder.glob("imtrans-*")
    return sdist, build("wheel", source, folder / "wheel")


def files_below(*folders):
    return {
        path.relative_to(ROOT).as_posix()
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_and_the_recipes_and_nothing_else(built):
    names = {name for name in zipfile.ZipFile(built[1]).namelist() if ".dist-info/" not in name}
    recipes = {f"imtrans/{name}" for name in files_below("recipes") if name.endswith(".toml")}
    assert names == files_below("imtrans") | recipes
    assert "imtrans/py.typed" in names
    assert any(name.endswith(".jinja") for name in names)
    assert built[1].stat().st_size < LARGEST


def test_the_sdist_holds_what_the_wheel_is_built_of_and_nothing_else(built):
    with tarfile.open(built[0]) as archive:
        names = {member.name.split("/", 1)[1] for member in archive if member.isfile()}
    pictures = {name for name in files_below("recipes") if name.endswith((".jpg", ".png"))}
    beside = {"hatch_build.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    beside |= {"CITATION.cff", "PKG-INFO", ".gitignore"}
    assert names == (files_below("imtrans", "recipes") - pictures) | beside
    assert built[0].stat().st_size < LARGEST


def described(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return HeaderParser().parsestr(archive.read(name).decode())


def relative(text):
    """The links of a page that need the repository around it."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", prose)
    return [link for link in links if not link.startswith(("http://", "https://", "mailto:"))]


def test_no_link_of_a_published_readme_leads_nowhere(built):
    about = described(built[1])
    assert about["Description-Content-Type"] == "text/markdown"
    assert relative(about.get_payload()) == []
    for plugin in PLUGINS:
        assert relative((plugin / "README.md").read_text()) == [], plugin.name


def test_links_lead_to_the_files_of_the_version_where_the_repository_is_known():
    address = "https://example.org/imtrans"
    page = "![a](recipes/a.png) [`b`](docs/b.md#c) [d](#e) [f](https://g.org) `[h](i)`\n"
    assert WITH_LINKS(page, address, "v1") == (
        f"![a]({address}/raw/v1/recipes/a.png) [`b`]({address}/blob/v1/docs/b.md#c) "
        f"[d]({address}/blob/v1/README.md#e) [f](https://g.org) `[h](i)`\n"
    )
    assert WITH_LINKS(page, "", "v1") == " `b` d [f](https://g.org) `[h](i)`\n"


def test_a_release_has_the_addresses_of_its_repository(tmp_path):
    wheel = build("wheel", ROOT, tmp_path, IMTRANS_REPOSITORY="https://example.org/imtrans/")
    about = described(wheel)
    assert "Issues, https://example.org/imtrans/issues" in about.get_all("Project-URL")
    assert f"https://example.org/imtrans/raw/v{imtrans.__version__}/" in about.get_payload()


# --- citation ----------------------------------------------------------------------------------


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert str(citation["version"]) == imtrans.__version__
    assert citation["license"] == "Apache-2.0"
    assert {"message", "title", "authors", "type"} <= citation.keys()
    (paper,) = citation["references"]
    assert paper["doi"] == "10.1109/CVPR.2017.632"
    assert [author["family-names"] for author in paper["authors"]][0] == "Isola"


# --- workflows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_names_versions_and_takes_few_permissions(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] in ({}, {"contents": "read"})
    for name, job in workflow["jobs"].items():
        expected = {"id-token": "write"} if name == "publish" else {"contents": "read"}
        assert job.get("permissions", workflow["permissions"]) == expected
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@(v\d+|release/v\d+|[0-9a-f]{40})", step["uses"])
            assert "secrets." not in str(step)


def test_the_workflows_call_what_is_there():
    text = "".join(path.read_text() for path in WORKFLOWS)
    for script in set(re.findall(r"\.ci/\w+", text)):
        assert os.access(ROOT / script, os.X_OK)


def test_the_release_finds_the_version():
    step = next(
        step
        for step in yaml.safe_load((WORKFLOWS[-1]).read_text())["jobs"]["build"]["steps"]
        if step.get("name") == "the tag is the version"
    )
    command = re.search(r"version=\$\((.*)\)", step["run"])[1]
    found = subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == imtrans.__version__


def test_every_plugin_can_be_published():
    for plugin in PLUGINS:
        project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
        assert project["name"] == plugin.name
        assert {"version", "description", "readme", "license", "requires-python"} <= project.keys()
