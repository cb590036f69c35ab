"""`imtrans export`: the files it writes, what they say about themselves, and its refusals."""

import errno
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from importlib import util

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from drawn import draw_picture

import imtrans as public
from imtrans.translation.export import exporting, program
from imtrans.translation.export.exporting import FORMATS
from imtrans.translation.export.pt2 import ABOUT

FORMAT_NAMES = sorted(FORMATS)
WRITTEN = [
    name if name == "pt2" else pytest.param(name, marks=pytest.mark.thorough)
    for name in FORMAT_NAMES
]


@pytest.fixture
def run(finished_run, tmp_path):
    return finished_run(tmp_path / "runs" / "tiny")


def facts_in(path):
    if path.suffix == ".onnx":
        return {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    extra = {ABOUT: ""}
    torch.export.load(path, extra_files=extra)
    return json.loads(extra[ABOUT])


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_file_is_written_and_says_all_about_itself(imtrans, run, tmp_path, kind):
    code, out, err = imtrans("export", "--recipe", "tiny", "--format", kind)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith(f"tiny.{kind}: ")
    assert "fp32, for any batch, and sizes that are multiples of 4 px" in first
    assert second.startswith("differs from imtrans's own output in fp32 by ")
    path = tmp_path / f"tiny.{kind}"
    facts = facts_in(path)
    weights = (run / "checkpoints" / "step_00000012" / "generator.safetensors").read_bytes()
    assert facts["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    told = {key: facts[key] for key in ("imtrans", "translator", "step", "stride", "smallest")}
    told |= {key: facts[key] for key in ("statistics", "precision")}
    assert told == {
        "imtrans": public.__version__,
        "translator": "generator",
        "step": "12",
        "stride": "4",
        "smallest": "32",
        "statistics": "image",
        "precision": "fp32",
    }
    assert 'name = "resnet_6"' in facts["recipe"]
    side = {"layout": "NCHW", "dtype": "float32", "channels": 3, "range": [0, 255]}
    assert json.loads(facts["input"]) == {"name": "source"} | side
    assert json.loads(facts["output"]) == {"name": "output"} | side
    assert json.loads(facts["scale"])["size"] == 64
    assert json.loads(facts["parity"])["max_difference"] < 1e-4
    assert b"site-packages" not in path.read_bytes()
    {"pt2": check_archive, "onnx": check_session}[kind](path)


def check_archive(path):
    """It holds no pickle, and nothing of this machine, and takes any batch and size."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            content = archive.read(name)
            assert not content.startswith((b"PK", b"\x80")), name
            assert b"site-packages" not in content
    (made,) = torch.export.load(path).module()(torch.rand(2, 3, 36, 40) * 255)
    assert made.shape == (2, 3, 36, 40)


def check_session(path):
    """onnxruntime makes of a picture what imtrans makes of it."""
    picture = draw_picture(3, (64, 48))
    session = onnxruntime.InferenceSession(path)
    pixels = np.asarray(picture, np.float32).transpose(2, 0, 1)[None]
    (output,) = session.run(None, {"source": pixels})
    ours = np.asarray(public.load("tiny", size="native", device="cpu", precision="fp32")(picture))
    assert np.abs(output[0].transpose(1, 2, 0).round() - ours).max() <= 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "Missing option '--format'"),
        (("--format", "tflite"), "'tflite' is not one of 'pt2', 'onnx'"),
        (("--format", "pt2", "--output", "a.onnx"), "a.onnx: a file of the format 'pt2' ends in"),
        (("--format", "pt2", "--output", "no/a.pt2"), "error: no: no such folder"),
        (("--format", "pt2", "--output", "."), "error: .: a folder; name a file"),
        (("--format", "onnx", "--precision", "bf16"), "no convolution in bf16 on a CPU"),
        (("--format", "pt2", "--translator", "back"), "no translator 'back'; there are"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_computed(imtrans, run, monkeypatch, words, told):
    monkeypatch.setattr(exporting, "trace", None)
    code, out, err = imtrans("export", "--recipe", "tiny", *words)
    assert (code, out) == (2, "")
    assert told in " ".join(err.replace("│", " ").split())


def test_no_run_is_one_line(imtrans):
    assert imtrans("export", "--format", "pt2")[0] == 2
    code, _, err = imtrans("export", "--recipe", "nothing", "--format", "pt2")
    assert code == 2
    assert "runs/nothing: no such run" in err


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="its cache is elsewhere")
def test_onnxruntime_keeps_and_sends_nothing_of_its_users(tmp_path):
    """It identifies a machine by a file in the cache."""
    code = "from imtrans.translation.export import onnx; onnx.require(); import onnxruntime"
    inherited = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    caches = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], env=inherited | caches, check=True, timeout=100)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


def test_without_the_extra_one_line_says_how_to_get_it(imtrans, run, monkeypatch):
    find = util.find_spec
    module = "imtrans.translation.export.onnx.find_spec"
    monkeypatch.setattr(module, lambda name: None if name == "onnxscript" else find(name))
    code, _, err = imtrans("export", "--recipe", "tiny", "--format", "onnx")
    assert code == 2
    needed = "ONNX needs onnxscript, not installed here: pip install 'imtrans[onnx]'"
    assert err == f"error: {needed}\n"


@pytest.mark.thorough
def test_where_outputs_differ_nothing_is_left_and_the_exit_code_is_1(
    imtrans, run, tmp_path, monkeypatch
):
    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr(exporting, "TOLERANCE", 1e-12)
    code, out, err = imtrans("export", "--recipe", "tiny", "--format", "pt2")
    assert (code, out) == (1, "")
    assert err.startswith("error: the exported network differs from imtrans's own by ")
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_damaged_checkpoint_is_named(imtrans, run):
    file = run / "checkpoints" / "step_00000012" / "generator.safetensors"
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    code, _, err = imtrans("export", "--recipe", "tiny", "--format", "pt2")
    assert code == 2
    assert str(file.relative_to(run.parents[1])) in err


@pytest.mark.thorough
def test_a_full_disk_leaves_what_was_there(imtrans, run, tmp_path, monkeypatch):
    (tmp_path / "tiny.pt2").write_bytes(b"older")

    def full(file, *_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    code, _, err = imtrans("export", "--recipe", "tiny", "--format", "pt2")
    assert (code, err) == (2, "error: tiny.pt2: no space left on device\n")
    assert (tmp_path / "tiny.pt2").read_bytes() == b"older"
    assert not list(tmp_path.glob(".*partial"))


def test_a_folder_without_permission_is_one_line(imtrans, run, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    code, _, err = imtrans("export", "--recipe", "tiny", "--format", "pt2")
    assert (code, err) == (2, "error: .: no permission to write there\n")


def test_exporters_are_heard_by_nobody_and_others_are_again(capfd):
    import logging
    import warnings

    with program.quiet():
        warnings.warn("of an exporter", UserWarning, stacklevel=1)
        logging.getLogger("torch.onnx").warning("of an exporter")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("torch.onnx").isEnabledFor(logging.WARNING)
