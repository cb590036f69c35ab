"""`imtrans export --format web`: the folder that it writes, and what no page can draw."""

import hashlib
import json
import os
import stat

import onnx
import pytest
import torch

from imtrans.api.errors import ImtransError
from imtrans.board.palette import Palette, Swatch
from imtrans.data.encoding import Derived, Direct
from imtrans.recipe import reading as recipes
from imtrans.recipe.catalog import catalog
from imtrans.task import Task
from imtrans.translation.export import exporting
from imtrans.translation.export.values import AsSeen, forms
from imtrans.translation.export.web import drawable, runtime, site

FILES = {"ort.wasm.bundle.min.mjs": b"export {};", "ort-wasm-simd-threaded.wasm": b"\0asm"}


@pytest.fixture
def run(finished_run, tmp_path):
    return finished_run(tmp_path / "runs" / "tiny")


@pytest.fixture
def small_runtime(tmp_path, monkeypatch):
    """A folder that passes for onnxruntime-web."""
    folder = tmp_path / "ort"
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(runtime, "FILES", sums)
    return folder


def recipe(tiny_file, *changes):
    return recipes.read(tiny_file, changes, catalog())


def encoding(tiny_file, *changes):
    return Task(recipe(tiny_file, *changes), catalog()).encoding


@pytest.mark.thorough
def test_the_folder_has_all_that_the_page_needs(imtrans, run, small_runtime, tmp_path):
    words = ("--format", "web", "--runtime", small_runtime)
    code, out, err = imtrans("export", "--recipe", "tiny", *words)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith("tiny-web: ")
    assert first.endswith("to look at it: python -m http.server -d 'tiny-web'")
    assert second.startswith("differs from imtrans's own output in fp32 by ")
    folder = tmp_path / "tiny-web"
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {
        "runtime/ort.wasm.bundle.min.js",  # older servers do not know .mjs
        "runtime/ort-wasm-simd-threaded.wasm",
        *(*site.PAGE, *site.TEXTS, *site.BOARD, "model.onnx", "model.json"),
    }
    about = json.loads((folder / "model.json").read_text())
    model = (folder / "model.onnx").read_bytes()
    assert about["model"] == {
        "files": ["model.onnx"],
        "bytes": len(model),
        "sha256": hashlib.sha256(model).hexdigest(),
    }
    assert (about["title"], about["stride"], about["noise"]) == ("tiny", 4, None)
    assert about["board"]["width"] == about["board"]["height"] == 64
    assert about["board"]["shown"] == [80, 64]
    assert about["scale"]["factors"] == [0.8, 1.0]
    facts = {each.key: each.value for each in onnx.load_from_string(model).metadata_props}
    assert facts["stride"] == "4"
    assert "<h1>tiny</h1>" in (folder / "index.html").read_text()
    for name in ("index.html", "README.txt"):
        assert "onnxruntime-web 1.30.0" in (folder / name).read_text()
        assert "{{" not in (folder / name).read_text()
    assert "MIT License" in (folder / "LICENSE-onnxruntime-web.txt").read_text()
    mode = stat.S_IMODE(folder.stat().st_mode)
    mask = os.umask(0o022)
    os.umask(mask)
    assert mode == 0o777 & ~mask
    again = imtrans("export", "--recipe", "tiny", *words)
    assert again[::2] == (2, "error: tiny-web: is there already; remove it, or name another "
                             "--output\n")  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--output", "no/page"), "error: no: no such folder"),
        (("--values", "network"), "a page takes pictures, and no values of the network"),
        (("--precision", "bf16"), "no convolution in bf16 on a CPU"),
        (("--runtime", "nothing"), "--runtime 'nothing': has no 'ort.wasm.bundle.min.mjs' and"),
    ],
)
def test_mistakes_are_told_before_anything_is_computed(imtrans, run, monkeypatch, words, told):
    monkeypatch.setattr(exporting, "trace", None)
    code, out, err = imtrans("export", "--recipe", "tiny", "--format", "web", *words)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_a_runtime_belongs_to_a_page(imtrans, run):
    code, _, err = imtrans("export", "--recipe", "tiny", "--format", "onnx", "--runtime", ".")
    assert (code, err) == (2, "error: --runtime is of --format web\n")


@pytest.mark.parametrize("failing", ["write_bytes", "rename"])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, failing):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site.os if failing == "rename" else site.Path, failing, full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="No space left on device: '.*page'"):
        site.write_folder(tmp_path / "page", {"index.html": b"", "runtime/ort.mjs": b""})
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["data.source.dtype=uint16"], "this recipe's sources have 3 channels of uint16"),
        (["data.source.channels=12"], "this recipe's sources have 12 channels of uint8"),
        (["data.target.channels=5"], "this recipe's outputs have 5 channels"),
        (
            ["data.source.channels=1", "data.source.dtype=uint16", "data.source.instances=1000"]
            + ["data.source.resample=nearest", "data.source.classes=[[0], [1]]"],
            "1 channels of uint16 with instances",
        ),
    ],
)
def test_what_no_page_can_draw_or_show_is_one_line(tiny_file, changes, reason):
    with pytest.raises(ImtransError, match=reason):
        drawable.check(encoding(tiny_file, *changes))


@pytest.mark.parametrize(
    ("changes", "source", "output"),
    [
        ([], {"channels": 3, "range": [0, 255]}, {"channels": 3, "range": [0, 255]}),
        (
            ["data.source.channels=1", "data.target.dtype=uint16", "data.target.channels=1"],
            {"channels": 1, "range": [0, 255]},
            {"channels": 1, "range": [0, 65535]},
        ),
        (
            ["data.derive=lab", "data.layout=photos"],
            {"channels": 3, "range": [0, 255]},
            {"channels": 3, "range": [0, 255]},
        ),
        (
            ["data.derive=mask", "data.layout=photos"],
            {"channels": 4, "range": [0, 255], "hole": drawable.HOLE},
            {"channels": 3, "range": [0, 255]},
        ),
        (
            ["data.derive=downscale", "data.layout=photos"],
            {"channels": 3, "range": [-1, 1], "enlarge": 4},
            {"channels": 3, "range": [-1, 1]},
        ),
    ],
)
def test_the_page_knows_what_values_go_in_and_come_out(tiny_file, changes, source, output):
    found = encoding(tiny_file, *changes)
    drawable.check(found)
    taken, given = forms(found, "pixels")
    palette = None if isinstance(found, Derived) else Palette("photograph", (), "#ffffff")
    assert drawable.source(taken, found, palette) == source
    assert drawable.output(given, found) == output


def test_numbers_of_classes_are_drawn_and_shown_in_colours(tiny_file):
    side = ["channels=1", "resample=nearest", "classes=[[7], [33]]"]
    found = encoding(tiny_file, *(f"data.{s}.{c}" for s in ("source", "target") for c in side))
    assert isinstance(found, Direct)
    swatches = (Swatch("7", "#112233", (7,)), Swatch("33", "#445566", (33,)))
    palette = Palette("labels", swatches, "#112233")
    taken, given = forms(found, "pixels")
    assert drawable.source(taken, found, palette)["stored"] == {"#112233": (7,), "#445566": (33,)}
    shown = drawable.output(given, found)
    assert (shown["classes"], [number for number, _ in shown["shown"]]) == (2, [7, 33])


def test_a_derivation_that_no_page_knows_is_one_line():
    class Odd:
        source_channels = target_channels = 3

        def given(self, picture):
            return picture.flip(0) * 2 - 1

    odd = Derived.__new__(Derived)
    odd.derivation, odd.source_channels, odd.target_channels = Odd(), 3, 3
    assert torch.equal(Odd().given(torch.ones(3, 1, 1)), torch.ones(3, 1, 1))
    with pytest.raises(ImtransError, match="the page cannot derive this recipe's sources"):
        drawable.source(AsSeen(), odd, None)
