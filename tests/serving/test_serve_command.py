"""`imtrans serve` up to the moment at which it listens: what is served, and what is refused."""

import re
import socket
import sys
from pathlib import Path

import pytest
import typer
from running_server import free_port

from imtrans.cli.main import app
from imtrans.cli.serve import FEW
from imtrans.serving import server
from imtrans.serving.limits import Limits
from imtrans.serving.served import MOST_NFE
from imtrans.serving.storage import OLD

DOCS = Path(__file__).parents[2] / "docs" / "serve.md"


@pytest.fixture
def started(monkeypatch):
    """What a server would have been started with."""
    calls = []

    def serve(runs, drawing, listening, address, access, limits, ready):
        names, at = [run.name for run in runs], listening.getsockname()
        calls.append(locals())
        ready()

    monkeypatch.setattr(server, "serve", serve)
    return calls


@pytest.fixture
def at_port():
    return ("--port", free_port())


def test_a_run_is_served_where_only_this_machine_reaches_it(
    imtrans, finished_run, tmp_path, started, at_port
):
    finished_run(tmp_path / "runs" / "tiny")
    code, out, err = imtrans("serve", "tiny", *at_port)
    assert (code, err) == (0, "")
    assert out == f"serving tiny at http://127.0.0.1:{at_port[1]}/; Ctrl-C ends it\nstopped\n"
    (call,) = started
    assert call["address"].is_local
    assert call["access"].is_open
    assert call["limits"].waiting == 32
    assert call["at"] == ("127.0.0.1", at_port[1])
    assert call["drawing"].palette.kind in ("labels", "drawing", "photograph")


def test_without_a_name_the_few_runs_there_are_served(
    imtrans, finished_run, tmp_path, started, at_port
):
    for name in ("one", "two"):
        finished_run(tmp_path / "runs" / name)
    (tmp_path / "runs" / "begun" / "checkpoints").mkdir(parents=True)
    assert imtrans("serve", *at_port)[0] == 0
    assert started[0]["names"] == ["one", "two"]
    for name in ("three", "four", "five"):
        finished_run(tmp_path / "runs" / name)
    code, _, err = imtrans("serve", *at_port)
    assert code == 2
    assert err == "error: which of 5 runs? name some of 'five', 'four', 'one', 'three', 'two'\n"


def test_a_run_is_named_as_for_translate(imtrans, finished_run, tmp_path, started, at_port):
    run = finished_run(tmp_path / "runs" / "tiny")
    newest = run / "checkpoints" / "step_00000012"
    named = ["tiny", "runs/tiny", "tiny.toml", newest, newest / "generator.safetensors"]
    assert imtrans("serve", *named, *at_port)[0] == 0
    assert started[0]["names"] == ["tiny", "tiny-2", "tiny-3", newest.name, f"{newest.name}-2"]


def test_what_is_not_there_is_one_line(imtrans, started, at_port):
    assert imtrans("serve", *at_port)[2] == (
        "error: which run? nothing trained is in runs/. name a run, a recipe or a checkpoint\n"
    )
    code, _, err = imtrans("serve", "maps", *at_port)
    assert (code, "no such run" in err, err.count("\n")) == (2, True, 1)
    assert started == []


def test_a_port_that_is_taken_and_a_host_that_is_none_are_one_line(
    imtrans, finished_run, tmp_path, started, at_port
):
    finished_run(tmp_path / "runs" / "tiny")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", at_port[1]))
        taken.listen()
        code, _, err = imtrans("serve", "tiny", *at_port)
    assert code == 2
    assert f"port {at_port[1]} of 127.0.0.1: address already in use. choose another" in err
    code, _, err = imtrans("serve", "tiny", "--host", "no.such.host.invalid", *at_port)
    assert (code, err) == (2, "error: --host: no machine 'no.such.host.invalid'\n")
    assert started == []


def test_an_open_door_is_warned_of_once(imtrans, finished_run, tmp_path, started, at_port):
    finished_run(tmp_path / "runs" / "tiny")
    err = imtrans("serve", "tiny", "--host", "0.0.0.0", *at_port)[2]
    assert err == (
        "warning: everybody who reaches 0.0.0.0 can use this server; --auth asks for a password\n"
    )
    assert imtrans("serve", "tiny", "--host", "0.0.0.0", "--auth", "a:b", *at_port)[2] == ""
    assert not started[1]["access"].is_open
    code, _, err = imtrans("serve", "tiny", "--auth", "a", *at_port)
    assert (code, "USER:PASSWORD" in err) == (2, True)


def test_without_the_extra_it_says_how_to_install_it(imtrans, monkeypatch, started, at_port):
    monkeypatch.setattr(server, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "gradio", None)
    code, _, err = imtrans("serve", *at_port)
    assert code == 2
    assert 'pip install "imtrans[serve]"' in err
    assert err.count("\n") == 1


def test_the_documentation_has_every_option_with_its_default():
    text = DOCS.read_text()
    command = typer.main.get_command(app).commands["serve"]
    options = [one for one in command.params if one.param_type_name == "option"]
    named = {max(one.opts, key=len): one.default for one in options}
    rows = dict(re.findall(r"^\| `(--[a-z-]+)` \| (.*?) \|", text, re.MULTILINE))
    assert set(rows) == set(named) - {"--help"}
    for name in ("--host", "--port", "--max-mb", "--queue"):
        assert rows[name] == f"`{named[name]}`"


def test_the_documentation_has_the_limits_of_the_code():
    text, limits = DOCS.read_text(), Limits()
    for fact in (
        f"{limits.connections} at once",
        f"A batch has {limits.images} images at most, and `nfe` is {MOST_NFE}",
        f"{limits.stored_bytes // limits.file_bytes} times `--max-mb`",
        "up to eight times that",
        "`Queue is full`",
    ):
        assert fact in " ".join(text.split())
    assert limits.upload_bytes == 8 * limits.file_bytes
    assert (OLD, FEW) == (30 * 60, 4)
