"""What files, recipes and settings say is printed as text, and can be copied into a shell."""

import io
import json
import re
import shlex
from pathlib import Path

import pytest
from rich.table import Table

import imtrans as imtrans_package
from imtrans.checking.finding import Finding, Row
from imtrans.cli.findings import print_line, print_table
from imtrans.host.terminal import Terminal, progress, say
from imtrans.recipe import reading as recipes
from imtrans.training.display.lines import PlainLines
from imtrans.training.display.live import LiveView
from imtrans.training.loop import Outcome

HOSTILE = "\x1b[31ma:smile:\x9b2J[red]b\u202e\r"
HARMLESS = "?[31ma:smile:?2J[red]b??"


def printed(print_on, **options):
    file = io.StringIO()
    console = Terminal(file=file, width=200, **options)
    print_on(console)
    return file.getvalue()


def table(console):
    made = Table(box=None)
    made.add_column(HOSTILE)
    made.add_row(HOSTILE)
    console.print(made)


def a_finding(console):
    finding = Finding(HOSTILE, HOSTILE, "error", (Row(HOSTILE, HOSTILE),), HOSTILE)
    print_line(console, finding)
    print_table(console, finding)


@pytest.mark.parametrize(
    "print_on",
    [
        lambda console: say(console, HOSTILE),
        lambda console: console.print(HOSTILE),
        lambda console: PlainLines(console).said(HOSTILE),
        lambda console: LiveView(console).said(HOSTILE),
        table,
        a_finding,
    ],
)
def test_nothing_that_others_wrote_is_obeyed_by_a_terminal(print_on):
    found = printed(print_on)
    assert HARMLESS in found
    assert not set("\x1b\x9b\u202e\r") & set(found)


def test_a_progress_bar_takes_no_markup():
    def bar(console):
        with progress(console, ":smile: [red]x", 2) as advance:
            advance()

    assert ":smile: [red]x" in printed(bar, force_terminal=True, color_system=None)


def test_words_of_every_script_are_printed_as_they_are():
    text = "Größe 写真\u3000é x\n🙂"
    assert printed(lambda console: console.print(text)).rstrip() == text


def test_names_in_errors_are_without_control_characters(imtrans):
    code, _, err = imtrans("check", "\x1b[31mred.toml")
    assert (code, err) == (2, "error: ?[31mred.toml: no such recipe file\n")


def test_a_recipe_with_control_characters_is_listed_and_dumped_without(imtrans, tiny_file):
    title = json.dumps(HOSTILE)
    text = tiny_file.read_text().replace('title = "tiny"', f"title = {title}")
    (tiny_file.parent / "recipes").mkdir()
    path = tiny_file.parent / "recipes" / "hostile.toml"
    path.write_text(text)
    assert HARMLESS in imtrans("recipes", "list")[1]
    dumped = imtrans("recipes", "show", "--resolved", "hostile")[1]
    assert dumped.replace("\n", "").isprintable()
    assert recipes.parse(dumped, "dump") == recipes.read(path)


def test_the_printed_command_translates_when_pasted(imtrans, tiny_file, monkeypatch):
    folder = "runs/a:smile:b & 'c' $(d)"
    trained = Outcome(Path(folder), Path(folder, "checkpoint"), 12)
    monkeypatch.setattr("imtrans.training.fit.fit", lambda *_, **options: trained)
    code, out, _ = imtrans("train", tiny_file, "--run-dir", folder)
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("translate with: "))
    words = shlex.split(line.removeprefix("translate with: "))
    assert words == ["imtrans", "translate", "--checkpoint", folder, "INPUT"]


@pytest.mark.parametrize(
    "requirement",
    ["../../x; rm -rf", "./x", "x y", "git+https://a.b/c", "x\ny", "-r x", "x>=1; y", "x@y", ""],
)
def test_what_is_no_plain_requirement_is_refused_and_not_offered(imtrans, tiny_file, requirement):
    tiny_file.write_text(f"requires = [{json.dumps(requirement)}]\n{tiny_file.read_text()}")
    code, _, err = imtrans("check", tiny_file)
    assert code == 2
    assert "is not the name of a package, as in 'imtrans-x' or 'imtrans-x>=1.2'" in err
    assert "pip install" not in err


@pytest.mark.parametrize(
    ("requirement", "offered"),
    [("imtrans-x", "imtrans-x"), ("imtrans-x[gpu]>=1,<2", "'imtrans-x[gpu]>=1,<2'")],
)
def test_a_requirement_is_offered_as_a_shell_takes_it(imtrans, tiny_file, requirement, offered):
    tiny_file.write_text(f'requires = ["{requirement}"]\n{tiny_file.read_text()}')
    assert f"pip install {offered}\n" in imtrans("check", tiny_file)[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ("translate", "photos", "--checkpoint", ""),
        ("translate", "photos", "--checkpoint="),
        ("translate", "", "--checkpoint", "x"),
        ("translate", "photos", "--checkpoint", "x", "--output", ""),
        ("train", "facades", "--run-dir", ""),
        ("inspect", ""),
        ("quickstart", ""),
        ("import-weights", "", "--recipe", "facades", "--output", "x"),
        ("import-weights", "x", "--recipe", "facades", "--output", ""),
        ("runs", "list", ""),
        ("runs", "clean", ""),
        ("data", "check", ""),
        ("data", "show", "facades", "--output", ""),
        ("data", "fetch", "facades", ""),
    ],
    ids=" ".join,
)
def test_an_empty_path_is_not_the_working_folder(imtrans, arguments):
    code, out, err = imtrans(*arguments)
    assert (code, out) == (2, "")
    assert "it is empty; name a file or a folder" in err


def test_a_fault_of_the_program_shows_where_it_is_and_that_it_is_to_be_reported(
    imtrans, monkeypatch
):
    def fails():
        raise KeyError("a\x1b[31m")

    monkeypatch.setattr("imtrans.recipe.reading.available", fails)
    code, out, err = imtrans("recipes")
    assert (code, out) == (1, "")
    assert err.startswith("Traceback")
    assert "in fails" in err
    assert err.splitlines()[-1] == (
        "error: a bug in imtrans or a plugin. please report it with the text above"
    )
    assert "\x1b" not in err


# Where a line goes to the terminal, and is made harmless on its way.
PRINTING = {"cli/common.py", "cli/main.py", "cli/recipes.py", "host/terminal.py"}


def test_there_is_no_other_way_to_the_terminal():
    package = Path(imtrans_package.__file__).parent
    around = re.compile(r"typer\.echo\([^)]|click\.echo|\bprint\(|[^A-Za-z]Console\(|stdout\.write")
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if around.search(path.read_text().replace(".print(", ""))
    }
    assert found <= PRINTING
