"""`imtrans doctor`: what it reports, and what it reports as an error."""

import json
import shutil
from collections import namedtuple
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from imtrans.api.errors import ImtransError
from imtrans.benchmark.rounds import Spread
from imtrans.checking.machine import disk_space, hardware, software
from imtrans.checking.machine.advice import advice, batch
from imtrans.host import machine
from imtrans.recipe import catalog as plugins
from imtrans.recipe.catalog import Catalog, catalog
from imtrans.recipe.registry import Plugin

CPU = torch.device("cpu")
Usage = namedtuple("Usage", "total used free")
SUBJECTS = ["imtrans", "torch", "packages", "extras", "plugins", "compiler", "cpu", "threads"]
ADVICE = ["device", "engine", "precision", "compile", "workers", "batch"]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(hardware, "bf16_gain", lambda device: Spread(2.0, 1.5, 2.5))


@pytest.fixture
def roomy(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 10**12))


def test_everything_is_checked_and_advised(imtrans, roomy):
    code, out, err = imtrans("doctor")
    assert (code, err) == (0, "")
    subjects = [line[8:].removeprefix("-> ").split()[0] for line in out.splitlines()]
    assert subjects[: len(SUBJECTS)] == SUBJECTS
    assert subjects[-len(ADVICE) :] == ADVICE
    assert {"bf16", "runs", "caches"} <= {*subjects}
    assert all(line[:5].strip() in ("ok", "note") for line in out.splitlines())


def test_json_has_the_same(imtrans, quick, roomy):
    code, out, _ = imtrans("doctor", "--json")
    found = json.loads(out)
    assert code == 0
    assert [row["subject"] for row in found][: len(SUBJECTS)] == SUBJECTS
    assert {row["state"] for row in found} <= {"ok", "note"}
    assert all(row["message"] for row in found)
    assert all(row["remedy"] for row in found if row["state"] == "note")


def test_a_broken_plugin_is_an_error(imtrans, quick, roomy, monkeypatch):
    broken = Catalog(unusable={Plugin("far", "far", "1.0"): "ImportError: no"})
    monkeypatch.setattr(plugins, "catalog", lambda: broken)
    code, out, _ = imtrans("doctor")
    assert code == 1
    assert "error   plugins      plugin far (far 1.0) cannot be used: ImportError: no" in out


def test_plugins_that_clash_are_an_error_and_the_rest_is_checked(
    imtrans, quick, roomy, monkeypatch
):
    def clash():
        raise ImtransError("generator 'unet' is taken")

    monkeypatch.setattr(plugins, "catalog", clash)
    code, out, _ = imtrans("doctor")
    assert code == 1
    assert "error   plugins      generator 'unet' is taken" in out
    assert "-> batch" in out


def test_components_are_counted_and_their_distributions_listed():
    (found,) = software.plugins(catalog)
    assert found.severity == "ok"
    assert "components from imtrans 0" in found.message


def test_a_missing_extra_is_a_note_with_the_command(monkeypatch):
    monkeypatch.setattr(software, "_required", lambda: [("torch", None), ("tifffile", "tiff")])
    monkeypatch.setattr(software, "_version", lambda name: None)
    found = software.extras()
    assert found.severity == "note"
    assert found.message == "tifffile not installed"
    assert found.remedy == "pip install 'imtrans[tiff]'"


def test_extras_are_those_of_the_distribution():
    required = software._required()
    assert ("tifffile", None) in required
    assert ("torch", None) in required
    assert not [name for name, _ in required if name == "imtrans"]
    assert "pytest" not in software.extras().message


def test_a_missing_package_is_an_error(monkeypatch):
    found = {name: "1.0" for name, _ in software._required()} | {"rich": None}
    monkeypatch.setattr(software, "_version", found.get)
    errors = [(f.message, f.remedy) for f in software.versions() if f.severity == "error"]
    assert errors == [("missing: rich", "pip install rich")]


def test_an_imtrans_that_is_not_installed_is_an_error(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(software, "requires", missing)
    assert [f.severity for f in software.versions()] == ["ok", "ok", "error"]


@pytest.mark.parametrize(
    ("installed", "severity"),
    [(("c++",), "ok"), (("clang++",), "ok"), ((), "note"), (("cc",), "note")],
)
def test_a_compiler_is_searched(monkeypatch, installed, severity):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in installed else None)
    assert software.compiler().severity == severity


@pytest.mark.parametrize(
    ("count", "usable", "variable", "severity", "message", "remedy"),
    [
        (4, 4, None, "ok", "4 threads for 4 cores", ""),
        (1, 4, "1", "note", "1 threads for 4 cores (OMP_NUM_THREADS=1)", "unset it"),
        (2, 4, None, "ok", "2 threads for 4 cores", ""),  # two threads a core
        (64, 4, None, "note", "64 threads for 4 cores", "set OMP_NUM_THREADS=4"),
    ],
)
def test_threads_are_compared_with_cores(count, usable, variable, severity, message, remedy):
    found = hardware.threads(count, usable, variable)
    assert found.severity == severity
    assert found.message.startswith(message)
    assert found.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("driver", "cuda", "severity"),
    [
        (True, "12.8", "error"),
        (True, None, "note"),
        (False, "12.8", "ok"),
        (False, None, "ok"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_reported(driver, cuda, severity):
    assert hardware.missing_gpu(driver, cuda).severity == severity


@pytest.mark.parametrize(
    ("gain", "chosen", "severity", "better"),
    [
        (Spread(2.0, 1.5, 2.5), "bf16", "ok", "bf16"),
        (Spread(0.5, 0.4, 0.6), "bf16", "note", "fp32"),
        (Spread(0.7, 0.4, 1.6), "bf16", "ok", "bf16"),  # the rounds do not agree
        (Spread(0.2, 0.1, 0.3), "fp32", "ok", "fp32"),
        (Spread(2.0, 1.5, 2.5), "fp32", "note", "bf16"),
        (Spread(2.0, 0.8, 2.5), "fp32", "ok", "fp32"),
        (Spread(1.05, 1.01, 1.08), "fp32", "ok", "fp32"),  # too little
    ],
)
def test_another_precision_is_advised_if_it_was_faster_in_all_rounds(
    gain, chosen, severity, better
):
    found, precision = hardware.compared(gain, chosen, CPU)
    assert (found.severity, precision) == (severity, better)
    assert (f"train.precision={better}" in found.remedy) == (severity == "note")


def test_bf16_is_measured_by_a_ratio():
    found = hardware.bf16_gain(CPU)
    assert 0 < found.low <= found.median <= found.high


@pytest.mark.parametrize(("free", "severity"), [(64 * 10**6, "note"), (10**9, "ok")])
def test_little_shared_memory_is_a_note(free, severity):
    assert hardware.shared_memory(free).severity == severity


@pytest.mark.parametrize(
    ("free", "severities"),
    [
        (10**11, ["ok", "ok"]),
        (10**9, ["error", "note"]),
        (0, ["error", "note"]),
    ],
)
def test_a_full_disk_is_an_error(monkeypatch, tmp_path, free, severities):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, free))
    assert [f.severity for f in disk_space.disks(tmp_path / "runs" / "deep")] == severities


def test_a_folder_that_cannot_be_written_to_is_an_error(monkeypatch, tmp_path, roomy):
    monkeypatch.setattr(disk_space.os, "access", lambda path, mode: False)
    assert [f.severity for f in disk_space.disks(tmp_path)] == ["error", "note"]


def test_of_a_folder_that_does_not_exist_the_nearest_parent_counts():
    assert disk_space.existing(Path("/nowhere/at/all")) == Path("/")


@pytest.mark.parametrize(
    ("free", "advice"),
    [
        (None, "is unknown"),
        (10**9, "if it fits: 1.0 GB are free"),
        (int(3.1e9), "1: no more fits"),
        (8 * 10**9, "up to 16 of 256 px fit"),
        (10**12, "up to 64 of 256 px fit"),
    ],
)
def test_a_batch_that_fits_is_advised(free, advice):
    assert advice in batch(free)


def test_advice_depends_on_what_was_found():
    advised = {f.subject: f.message for f in advice(CPU, "fp32", can_compile=False)}
    auto = "auto: fp32" if machine.bf16_instructions() is None else "fp32, which was faster"
    assert advised["-> precision"].startswith(auto)
    assert advised["-> compile"] == "false: there is no compiler"
