"""`imtrans doctor`: what it finds, and that what is wrong is told as wrong."""

import json
import shutil
from collections import namedtuple
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
import torch

from imtrans.api.errors import ImtransError
from imtrans.benchmark.rounds import Spread
from imtrans.checking.machine import hardware, room, software
from imtrans.checking.machine.advice import advice, batch
from imtrans.host import machine
from imtrans.recipe import catalog as plugins
from imtrans.recipe.catalog import Catalog, catalog

CPU = torch.device("cpu")
Usage = namedtuple("Usage", "total used free")
SUBJECTS = ["imtrans", "torch", "packages", "extras", "plugins", "compiler", "cpu", "threads"]
ADVICE = ["device", "engine", "precision", "compile", "workers", "batch"]


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(hardware, "bf16_gain", lambda device: Spread(2.0, 1.5, 2.5))


@pytest.fixture
def roomy(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, 10**12))


def test_everything_is_looked_at_and_advised(imtrans, roomy):
    code, out, err = imtrans("doctor")
    assert (code, err) == (0, "")
    subjects = [line[7:].removeprefix("-> ").split()[0] for line in out.splitlines()]
    assert subjects[: len(SUBJECTS)] == SUBJECTS
    assert subjects[-len(ADVICE) :] == ADVICE
    assert {"bf16", "runs", "caches"} <= {*subjects}
    assert all(line[:5].strip() in ("ok", "note") for line in out.splitlines())


def test_json_has_the_same(imtrans, hasty, roomy):
    code, out, _ = imtrans("doctor", "--json")
    found = json.loads(out)
    assert code == 0
    assert [row["subject"] for row in found][: len(SUBJECTS)] == SUBJECTS
    assert {row["state"] for row in found} <= {"ok", "note"}


def test_a_broken_plugin_is_wrong(imtrans, hasty, roomy, monkeypatch):
    broken = Catalog(broken=["plugin far 1.0 cannot be used: ImportError: no"])
    monkeypatch.setattr(plugins, "catalog", lambda: broken)
    code, out, _ = imtrans("doctor")
    assert code == 1
    assert "wrong  plugins      plugin far 1.0 cannot be used: ImportError: no" in out


def test_plugins_that_clash_are_wrong_and_the_rest_is_told(imtrans, hasty, roomy, monkeypatch):
    def clash():
        raise ImtransError("generator 'unet' is taken")

    monkeypatch.setattr(plugins, "catalog", clash)
    code, out, _ = imtrans("doctor")
    assert code == 1
    assert "wrong  plugins      generator 'unet' is taken" in out
    assert "-> batch" in out


def test_components_and_who_brings_them_are_told():
    (found,) = software.plugins(catalog)
    assert found.state == "ok"
    assert "components from imtrans 0" in found.said


def test_a_missing_extra_is_a_note_with_the_command(monkeypatch):
    monkeypatch.setattr(software, "_required", lambda: [("torch", None), ("tifffile", "tiff")])
    monkeypatch.setattr(software, "_version", lambda name: None)
    found = software.extras()
    assert found.state == "note"
    assert found.said == "tifffile not installed: pip install 'imtrans[tiff]'"


def test_extras_are_those_of_the_distribution():
    required = software._required()
    assert ("tifffile", "tiff") in required
    assert ("torch", None) in required
    assert not [name for name, _ in required if name == "imtrans"]
    assert "pytest" not in software.extras().said


def test_a_missing_package_is_wrong(monkeypatch):
    found = {name: "1.0" for name, _ in software._required()} | {"rich": None}
    monkeypatch.setattr(software, "_version", found.get)
    wrong = [f.said for f in software.versions() if f.state == "wrong"]
    assert wrong == ["missing: rich. pip install rich"]


def test_an_imtrans_that_is_not_installed_is_wrong(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(software, "requires", missing)
    assert [f.state for f in software.versions()] == ["ok", "ok", "wrong"]


@pytest.mark.parametrize(
    ("there", "state"), [(("c++",), "ok"), (("clang++",), "ok"), ((), "note"), (("cc",), "note")]
)
def test_a_compiler_is_looked_for(monkeypatch, there, state):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in there else None)
    assert software.compiler().state == state


@pytest.mark.parametrize(
    ("here", "usable", "asked", "state", "told"),
    [
        (4, 4, None, "ok", "4 threads for 4 cores"),
        (1, 4, "1", "note", "1 threads for 4 cores (OMP_NUM_THREADS=1): unset it"),
        (2, 4, None, "ok", "2 threads for 4 cores"),  # two threads a core
        (64, 4, None, "note", "set OMP_NUM_THREADS=4"),
    ],
)
def test_threads_are_compared_with_cores(here, usable, asked, state, told):
    found = hardware.threads(here, usable, asked)
    assert found.state == state
    assert told in found.said


@pytest.mark.parametrize(
    ("driver", "cuda", "state"),
    [
        (True, "12.8", "wrong"),
        (True, None, "note"),
        (False, "12.8", "ok"),
        (False, None, "ok"),
    ],
)
def test_a_gpu_that_cannot_be_used_is_told(driver, cuda, state):
    assert hardware.missing_gpu(driver, cuda).state == state


@pytest.mark.parametrize(
    ("gained", "chosen", "state", "better"),
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
def test_another_precision_is_advised_where_all_rounds_speak_for_it(gained, chosen, state, better):
    found, precision = hardware.judged(gained, chosen, CPU)
    assert (found.state, precision) == (state, better)
    assert (f"train.precision={better}" in found.said) == (state == "note")


def test_bf16_is_measured_by_a_ratio():
    found = hardware.bf16_gain(CPU)
    assert 0 < found.low <= found.median <= found.high


@pytest.mark.parametrize(("free", "state"), [(64 * 10**6, "note"), (10**9, "ok")])
def test_little_shared_memory_is_a_note(free, state):
    assert hardware.shared_memory(free).state == state


@pytest.mark.parametrize(
    ("free", "states"),
    [
        (10**11, ["ok", "ok"]),
        (10**9, ["wrong", "note"]),
        (0, ["wrong", "note"]),
    ],
)
def test_a_full_disk_is_wrong(monkeypatch, tmp_path, free, states):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, free))
    assert [f.state for f in room.places(tmp_path / "runs" / "deep")] == states


def test_a_folder_that_cannot_be_written_to_is_wrong(monkeypatch, tmp_path, roomy):
    monkeypatch.setattr(room.os, "access", lambda path, mode: False)
    assert [f.state for f in room.places(tmp_path)] == ["wrong", "note"]


def test_the_nearest_folder_is_the_place():
    assert room.existing(Path("/nowhere/at/all")) == Path("/")


@pytest.mark.parametrize(
    ("here", "told"),
    [
        (None, "not known"),
        (10**9, "if at all: 1.0 GB are free"),
        (int(3.1e9), "1: no more fits"),
        (8 * 10**9, "up to 16 of 256 px fit"),
        (10**12, "up to 64 of 256 px fit"),
    ],
)
def test_a_batch_that_fits_is_advised(here, told):
    assert told in batch(here)


def test_advice_follows_what_was_found():
    said = {f.subject: f.said for f in advice(CPU, "fp32", can_compile=False)}
    auto = "auto: fp32" if machine.bf16_instructions() is None else "fp32, which was the faster"
    assert said["-> precision"].startswith(auto)
    assert said["-> compile"] == "false: there is no compiler"


@pytest.fixture
def group(monkeypatch, tmp_path):
    """A folder that stands for this process's control group."""
    monkeypatch.setattr(machine, "_group_folders", lambda: [tmp_path])
    return tmp_path


@pytest.mark.parametrize(
    ("file", "used"),
    [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")],
)
def test_a_containers_memory_counts(group, file, used):
    (group / file).write_text("1000000000\n")
    (group / used).write_text("400000000\n")
    (group / "memory.stat").write_text("anon 5\ninactive_file 100000000\n")
    assert machine.memory() == machine.Memory(10**9, 7 * 10**8)


@pytest.mark.parametrize("content", ["max\n", str(2**63 - 4096), "", "0"])
def test_a_container_without_limit_has_the_machines_memory(group, content):
    before = machine._of_the_machine()[0]
    (group / "memory.max").write_text(content)
    here = machine.memory()
    assert (here.total if here else 0) == before


@pytest.mark.parametrize(
    ("content", "count"), [("100000 100000\n", 1), ("50000 100000", 1), ("max 100000", None)]
)
def test_a_containers_share_of_the_cores_counts(group, content, count, monkeypatch):
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    (group / "cpu.max").write_text(content)
    assert machine.cores() == (count or 8)


def test_the_processor_has_a_name():
    assert machine.cpu_name()
