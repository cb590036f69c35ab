"""`make gpu`: every part in miniature, what it writes, how it goes on, and what a bundle holds."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from imtrans.training.step.engine import plain

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "gpu"
LIMIT = 300_000  # bytes of a picture or a page


def call(folder, *words):
    """The script; returns its exit code and what it prints."""
    command = [sys.executable, str(SCRIPT), *words, "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def parts_of(folder):
    return json.loads((folder / "gpu.json").read_text())["parts"]


@pytest.fixture
def script(monkeypatch):
    """The modules of the script can be imported."""
    monkeypatch.syspath_prepend(SCRIPT)
    before = set(sys.modules)
    yield SCRIPT
    for name in set(sys.modules) - before:
        if str(SCRIPT) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.soak
def test_every_part_works_in_miniature(tmp_path):
    code, told = call(tmp_path, "--smoke")
    assert code == 0, told
    parts = parts_of(tmp_path)
    assert list(parts) == [
        *("env", "tests", "micro", "steps", "facades", "batches", "translate", "loader")
    ]
    assert {part["status"] for part in parts.values()} == {"finished"}, told
    page = (tmp_path / "gpu.md").read_text()
    place = parts["env"]["place"]
    for fact in (place["device"], place["torch"], place["commit"], "python tests/gpu --smoke"):
        assert fact in page
    runs = parts["facades"]["results"]
    for run, kinds in (("as it is", {"validation"}), ("without writing", set())):
        assert {"start", "steps", "previews", "checkpoints", "end", *kinds} <= {*runs[run]["spent"]}
        assert sum(runs[run]["spent"].values()) == pytest.approx(runs[run]["s"], rel=0.1)
    assert "validation" not in runs["without writing"]["spent"]
    pictures = [*tmp_path.glob("*.png"), *tmp_path.glob("*.jpg")]
    assert {"losses-l1.png", "pictures.png", "validation-l1.png"} <= {p.name for p in pictures}
    for path in (*pictures, tmp_path / "gpu.md"):
        assert path.stat().st_size < LIMIT, path
        assert path.suffix == ".md" or f"]({path.name})" in page


@pytest.mark.soak
def test_what_is_finished_is_not_measured_again(tmp_path):
    assert call(tmp_path, "--smoke", "--part", "env")[0] == 0
    begun = parts_of(tmp_path)["env"]["begun"]
    code, told = call(tmp_path, "--smoke", "--part", "env", "--apart")
    assert (code, parts_of(tmp_path)["env"]["begun"]) == (0, begun)
    assert "env: finished before" in told
    # In a process of its own, as on a GPU, and without time: the next call goes on.
    code, told = call(
        tmp_path, "--smoke", "--part", "env", "--apart", "--again", "--minutes", "0.0"
    )
    env = parts_of(tmp_path)["env"]
    assert (code, env["status"], env["results"]) == (0, "unfinished", {})
    assert "the same command goes on with it" in told


@pytest.mark.soak
def test_without_cuda_it_says_so_in_a_line(tmp_path):
    code, told = call(tmp_path / "out", "--part", "env")
    if code != 2:
        pytest.skip("there is a CUDA device")
    assert told.splitlines() == [
        "no CUDA device here; --smoke tries every part in miniature on a CPU"
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.soak
def test_a_part_that_fails_does_not_stop_the_next(tmp_path):
    for split in ("train", "val"):
        (tmp_path / "empty" / split).mkdir(parents=True)
    words = ("--smoke", "--data", str(tmp_path / "empty"), "--part", "batches,translate")
    code, told = call(tmp_path / "out", *words)
    parts = parts_of(tmp_path / "out")
    assert (code, parts["batches"]["status"], parts["translate"]["status"]) == (
        *(1, "failed", "finished"),
    ), told
    assert "**batch 4 failed:**" in (tmp_path / "out" / "gpu.md").read_text()


def test_what_failed_is_measured_again_and_what_was_found_is_kept(tmp_path, script):
    import results
    import work

    found = results.Results(tmp_path)
    found.begin("env", {"device": "none"}, "command", "now")
    at_work = work.Work("env", found, torch.device("cpu"), True, 60, tmp_path, None)

    def broken():
        raise ValueError("no such kernel")

    at_work.take({"one": broken, "two": lambda: {"a": 1.0}})
    found.end("env", 1.0, whole=True)
    part = results.Results(tmp_path).parts["env"]
    assert (part["status"], part["results"]) == ("failed", {"two": {"a": 1.0}})
    assert "ValueError: no such kernel" in part["errors"]["one"]
    found.begin("env", {"device": "none"}, "command", "later")
    assert found.parts["env"]["results"] == {"two": {"a": 1.0}}
    found.begin("env", {"device": "another"}, "command", "later")
    assert found.parts["env"]["results"] == {}


def test_a_variant_is_left_out_where_its_losses_differ(script):
    import comparison
    import variants

    engine = plain(torch.device("cpu"))
    assert variants.changed(engine, {"graphed": True}) == engine  # there are no graphs on a CPU
    assert variants.all_fields("V2") == {"graphed": True}
    losses = torch.tensor([[1.0, 2.0]])
    assert comparison._differs(losses * 1.0005, engine, losses, engine) is None
    assert "0.01" in comparison._differs(losses * 1.01, engine, losses, engine)
    low = replace(engine, precision="bf16")
    assert comparison._differs(losses * 1.01, engine, losses, low) is None


def test_a_change_is_kept_where_it_gains_in_every_round(script):
    import variants

    assert variants.is_worth_it({"median": 1.2, "low": 1.04, "high": 1.3})
    assert not variants.is_worth_it({"median": 1.2, "low": 1.02, "high": 1.3})


def test_failures_of_pytest_are_kept_with_their_last_lines(tmp_path, script):
    import device_tests

    lines = "\n".join(f"line {number}" for number in range(40))
    (tmp_path / "tests.xml").write_text(
        "<testsuites><testsuite>"
        '<testcase classname="tests.test_a" name="one" time="0.1"/>'
        f'<testcase classname="tests.test_a" name="two"><failure>{lines}</failure></testcase>'
        '<testcase classname="tests.test_a" name="three"><skipped/></testcase>'
        "</testsuite></testsuites>"
    )
    found = device_tests.read(tmp_path / "tests.xml")
    assert found["counts"] == {"passed": 1, "failed": 1, "skipped": 1}
    (failure,) = found["failures"]
    assert (failure["name"], failure["last lines"][-1]) == ("tests.test_a.two", "line 39")
    assert "tests/training/test_graphs.py" in device_tests.files()


def test_a_bundle_holds_what_a_bare_machine_lacks(tmp_path, script, monkeypatch, capsys):
    import bundle

    asked, data = [], tmp_path / "pairs"
    for split in ("train", "val"):
        (data / split).mkdir(parents=True)
        (data / split / "1.jpg").write_bytes(b"a picture")
    monkeypatch.setattr(bundle, "pip", lambda *words: asked.append(words))
    out = tmp_path / "bundle"
    words = ("--data", str(data), "--out", str(out), "--without", "pillow,rich")
    monkeypatch.setattr(sys, "argv", ["bundle.py", *words])
    assert bundle.main() == 0
    built, downloaded = asked
    assert built[0] == "wheel"
    assert {str(bundle.ROOT), str(bundle.ROOT / "plugins" / "imtrans-cyclegan")} <= {*built}
    names = {word.partition("==")[0] for word in downloaded if "==" in word}
    assert {"pydantic-core", "annotated-types", "typing-inspection", "kornia-rs"} <= names
    assert {"tifffile", "pytest", "iniconfig", "numpy"} <= names
    assert not {"torch", "sympy", "typing-extensions", "pillow", "rich", "imtrans"} & names
    assert downloaded[downloaded.index("--python-version") + 1] == "3.12"
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"run.sh", "COMMIT", "data.tar", "pyproject.toml", "tests/conftest.py"} <= files
    assert {"tests/gpu/__main__.py", "tests/gpu/micro/launches.py"} <= files
    assert {"tests/training/test_graphs.py", "tests/given/drawn.py"} <= files
    assert "MB in" in capsys.readouterr().out


def test_a_bundle_that_is_too_large_is_refused(tmp_path, script, monkeypatch, capsys):
    import bundle

    monkeypatch.setattr(bundle, "LIMIT", 10)
    (tmp_path / "large.whl").write_bytes(b"0123456789 and more")
    assert bundle.weighed(tmp_path) == 1
    assert "large.whl" in capsys.readouterr().out


def test_pictures_stay_small(tmp_path, script):
    from drawing import LIMIT, save_small

    noise = torch.randint(256, (1400, 1400, 3), dtype=torch.uint8).numpy()
    name = save_small(Image.fromarray(noise), tmp_path / "noise.png")
    assert name == "noise.jpg"
    assert (tmp_path / name).stat().st_size <= LIMIT


def test_a_variant_is_built_fed_and_takes_steps(script, tiny):
    """What `make soak` does of all of them: it would notice a day late that a signature changed."""
    from driving import drive

    driven = drive(tiny, plain(torch.device("cpu")))
    losses = driven.step()
    assert {*losses} == {"d", "g", "l1"}
    assert all(bool(value.isfinite()) for value in losses.values())
