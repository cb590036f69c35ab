"""Tables, findings and errors at every width: no word is broken."""

import io
import os
import re
import subprocess
import sys

import pytest

from imtrans.checking.finding import Finding, Row
from imtrans.cli.findings import print_line, print_table
from imtrans.cli.tables import print_table as print_cells
from imtrans.host.terminal import Terminal
from imtrans.host.words import wrapped

MESSAGE = "batch norm over a handful of values magnifies rounding; use 'train.precision' = 'fp32'"
PATH = "/path/that/is/longer/than/any/terminal/is/wide/and/has/no/word/in/it/at/which/to/break.png"
WIDTHS = [40, 60, 80]


def printed(print_on, width, **options):
    file = io.StringIO()
    print_on(Terminal(file=file, width=width, **options))
    return file.getvalue()


def words(text):
    return re.findall(r"\S+", text)


@pytest.mark.parametrize("width", [*WIDTHS, 10])
def test_lines_are_broken_between_words_and_indented(width):
    text = f"error: {MESSAGE}\n  line 9   {MESSAGE}\n{PATH}"
    rows = wrapped(text, width).split("\n")
    assert words("\n".join(rows)) == words(text)
    assert all(len(row) <= width or len(words(row)) == 1 for row in rows)
    assert rows[1].startswith("  ")
    assert rows[-1].strip() == PATH
    assert wrapped(text, 200) == text


@pytest.mark.parametrize("width", WIDTHS)
def test_a_finding_breaks_no_word_in_a_terminal_and_is_one_line_elsewhere(width):
    finding = Finding("gradients", MESSAGE, "warning", (Row("a.png", MESSAGE),), MESSAGE)
    for show in (print_line, print_table):
        found = printed(lambda out, show=show: show(out, finding), width, force_terminal=True)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", found)
        rows = plain.rstrip("\n").split("\n")
        assert max(map(len, rows)) <= width
        whole = printed(lambda out, show=show: show(out, finding), width)
        assert words(plain) == words(whole)
        assert MESSAGE in whole
    hang = printed(lambda out: print_line(out, finding), width, force_terminal=True)
    assert hang.split("\n")[1].startswith(" " * 20)


TABLE = (
    ["role", "name", "distribution", "options"],
    [
        ["generator", "unet_256", "imtrans 0.1.0", "width, norm, dropout"],
        ["discriminator", "multi_scale_patch", "imtrans-multiscale 0.12.0", "width, norm, scales"],
    ],
)


@pytest.mark.parametrize("width", [24, *WIDTHS, 200])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_table_breaks_no_word(width, terminal):
    found = printed(
        lambda out: print_cells(out, *TABLE), width, force_terminal=terminal, color_system=None
    )
    plain = re.sub(r"\x1b\[[0-9;]*m", "", found)
    assert max(map(len, plain.split("\n"))) <= max(width, len("  distribution  multi_scale_patch"))
    for row in TABLE[1]:
        for cell in row:
            assert all(word in words(plain) for word in words(cell)), cell


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", [("plugins",), ("recipes",), ("runs",)], ids=" ".join)
def test_the_tables_of_commands_break_no_word(
    imtrans, finished_run, tmp_path, monkeypatch, command, width
):
    finished_run(tmp_path / "runs" / "a_run_with_a_name_of_some_length")
    monkeypatch.setenv("COLUMNS", "400")
    whole = imtrans(*command)[1]
    monkeypatch.setenv("COLUMNS", str(width))
    narrow = imtrans(*command)[1]
    # A narrow table may leave columns out, and has its headings again where it becomes paragraphs.
    assert {*words(narrow)} <= {*words(whole)}


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
@pytest.mark.parametrize("width", [pytest.param(60, marks=pytest.mark.soak), 80])
def test_an_error_in_a_terminal_is_broken_between_words(width, tmp_path):
    import pty

    terminal, stderr = pty.openpty()
    command = [sys.executable, "-m", "imtrans", "check", "no_such_recipe"]
    environment = os.environ | {"COLUMNS": str(width)}
    subprocess.run(command, stderr=stderr, cwd=tmp_path, env=environment, check=False)
    os.close(stderr)
    said = os.read(terminal, 10_000).decode().replace("\r\n", "\n")
    rows = said.rstrip("\n").split("\n")
    assert rows[0].startswith("error: no recipe 'no_such_recipe', neither as")
    assert len(rows) > 1
    assert all(row.startswith("  ") for row in rows[1:])
    assert max(map(len, rows)) <= width
    assert "'edges2shoes'," in words(said)
